import type { TaskEvent } from './events.ts';

/**
 * New text of a part that is not finished: what the model is writing, or what a running command prints. It is shown,
 * never stored; the event that finishes the part has the text again (of a tool: the end of it).
 *
 * The frames of a part joined are a prefix of its text, but for `gap` and `reset`. No frame of a part comes after the
 * event that finishes it. A part is never finished if the call of the model failed (`retrying`; the next try is another
 * part) or if the task ends before.
 */
export interface LiveFrame {
  /** Distinguishes it from a stored event. */
  live: true;
  kind: 'text' | 'tool_output';
  /** The `part_id` of the `output` event, or the `call_id` of the `tool` event, that finishes it. */
  part: string;
  /** At most 16,384 characters, never half of one. */
  text: string;
  /** When the bridge passed it on, in epoch milliseconds. */
  at: number;
  /** From a subagent. Text of a subagent has no event of its own. */
  child?: true;
  /** Text is missing between the frame before and this one. */
  gap?: true;
  /** The text replaces what was shown of the part: it is the end of what the part has now. */
  reset?: true;
}

/** What a follower of a running task gets. */
export type FollowItem = TaskEvent | LiveFrame;

export function isLive<T extends object>(item: T | LiveFrame): item is LiveFrame {
  return 'live' in item;
}
