import { cut } from '../text.ts';
import { TASK_KEY, type TaskMark } from './events.ts';
import type { Rich } from './rich.ts';

/** Matrix takes 65,536 bytes for the whole event, and an edit has its content twice. */
const SIZE_LIMIT = 29_500;
/** What a character of a text takes at most, quotes and line breaks escaped, half of a pair counted as one. */
const CHARACTER_BYTES = 3;

interface MessageOptions {
  /** `m.notice` rings no bell, and other bots leave it alone. */
  msgtype: 'm.text' | 'm.notice';
  words: Rich;
  mark: TaskMark | undefined;
  /** Who is to look. */
  mentions?: readonly string[];
}

/** A message in both its forms; of one that is too large only the plain one, as much of it as fits. */
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
  const room = SIZE_LIMIT - bytes({ ...bare, body: '' });
  return { ...bare, body: cut(plain, Math.floor(room / CHARACTER_BYTES)) };
}

function bytes(content: object): number {
  return Buffer.byteLength(JSON.stringify(content));
}

/** The same in the thread that `root` begins. */
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

/** What takes the place of an earlier message. */
export function edit(content: { body?: unknown } & object, eventId: string): object {
  return {
    ...content,
    body: `* ${String(content.body)}`,
    'm.new_content': content,
    'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
  };
}
