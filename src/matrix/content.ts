import { cut } from '../text.ts';
import { TASK_KEY, type TaskMark } from './events.ts';
import type { Rich } from './rich.ts';

/** Matrix limits an event to 65,536 bytes, and an edit contains its content twice. */
const SIZE_LIMIT = 29_500;
/** The most bytes of one UTF-16 code unit in JSON. */
const CHARACTER_BYTES = 3;

interface MessageOptions {
  /** `m.notice` triggers no notification, and other bots ignore it. */
  msgtype: 'm.text' | 'm.notice';
  words: Rich;
  mark: TaskMark | undefined;
  /** The users to notify. */
  mentions?: readonly string[];
}

/** A message as plain text and HTML. A message that is too large is plain text only, cut to the limit. */
export function message({ msgtype, words: { plain, html }, mark, mentions = [] }: MessageOptions): object {
  const content = {
    msgtype,
    body: plain,
    format: 'org.matrix.custom.html',
    formatted_body: html,
    'm.mentions': mentions.length > 0 ? { user_ids: mentions } : {},
    ...(mark && { [TASK_KEY]: mark }),
  };
  if (bytes(content) <= SIZE_LIMIT) return content;
  const { format: _, formatted_body: __, ...bare } = content;
  if (bytes(bare) <= SIZE_LIMIT) return bare;
  const left = SIZE_LIMIT - bytes({ ...bare, body: '' });
  return { ...bare, body: cut(plain, Math.floor(left / CHARACTER_BYTES)) };
}

function bytes(content: object): number {
  return Buffer.byteLength(JSON.stringify(content));
}

/** The content as a message in the thread of `root`. */
export function inThread(content: object, root: string | undefined): object {
  if (root === undefined) return content;
  const relation = {
    rel_type: 'm.thread',
    event_id: root,
    is_falling_back: true,
    'm.in_reply_to': { event_id: root },
  };
  return { ...content, 'm.relates_to': relation };
}

/** The content as an edit that replaces an earlier message. */
export function edit(content: { body?: unknown } & object, eventId: string): object {
  return {
    ...content,
    body: `* ${String(content.body)}`,
    'm.new_content': content,
    'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
  };
}
