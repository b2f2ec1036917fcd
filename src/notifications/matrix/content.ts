import { TASK_KEY, type TaskMark } from './events.ts';
import type { Rich } from './rich.ts';

/** Matrix takes 65,536 bytes for the whole event. */
const SIZE_LIMIT = 60_000;

interface MessageOptions {
  /** `m.notice` rings no bell, and other bots leave it alone. */
  msgtype: 'm.text' | 'm.notice';
  words: Rich;
  mark: TaskMark | undefined;
  /** Who is to look. */
  mentions?: readonly string[];
}

/** A message in both its forms. */
export function message({ msgtype, words: { plain, html }, mark, mentions = [] }: MessageOptions): object {
  const content = {
    msgtype,
    body: plain,
    format: 'org.matrix.custom.html',
    formatted_body: html,
    'm.mentions': mentions.length > 0 ? { user_ids: mentions } : {},
    ...(mark && { [TASK_KEY]: mark }),
  };
  if (Buffer.byteLength(JSON.stringify(content)) <= SIZE_LIMIT / 2) return content;
  const { format: _, formatted_body: __, ...bare } = content;
  return bare;
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
