import type { EventOf } from './events.ts';

/** Replies that the vocabulary names; any other is the text of an answer. */
const REPLIES: readonly string[] = ['once', 'always', 'reject', 'answered', 'none', 'unknown'];
/** Closers that the vocabulary names; any other is an agent, a person or a reason. */
const CLOSERS: readonly string[] = ['deadline', 'opencode'];

/** How a request was answered, as one of a few words. */
export function closedWith({ reply }: EventOf<'request_closed'>): string {
  return REPLIES.includes(reply) ? reply : 'answer';
}

/** Who closed a request, as one of a few words: the names of agents and people are no labels. */
export function closedBy({ by, reply }: EventOf<'request_closed'>): string {
  if (by.startsWith('policy')) return 'policy';
  if (CLOSERS.includes(by)) return by;
  return reply === 'none' ? 'obsolete' : 'caller';
}
