import { z } from 'zod';
import type { MatrixEvent } from '../events.ts';
import { type Command, commandOf, commandOfReaction, isNamed } from './command.ts';

const relation = z.object({
  rel_type: z.string().optional(),
  event_id: z.string().optional(),
  key: z.string().optional(),
  is_falling_back: z.boolean().optional(),
  'm.in_reply_to': z.object({ event_id: z.string() }).optional(),
});
const message = z.object({
  msgtype: z.literal('m.text'),
  body: z.string(),
  'm.relates_to': relation.optional(),
});
const reaction = z.object({
  'm.relates_to': z.object({ rel_type: z.literal('m.annotation'), event_id: z.string(), key: z.string() }),
});

/** A message or reaction of a person. */
export interface IncomingMessage {
  /** The root of its thread. */
  thread?: string | undefined;
  /** The message that it replies or reacts to. */
  to?: string | undefined;
  /** The key of a reaction; absent for a message. */
  key?: string | undefined;
  /** It has no `!command` form, so it may be conversation. */
  plain: boolean;
  /** The command in it, given what it refers to. */
  command(context: Parameters<typeof commandOf>[1]): Command | undefined;
}

/** Parses an event; undefined for what is neither a text nor a reaction that could be an answer. */
export function parseMessage({ type, content }: MatrixEvent): IncomingMessage | undefined {
  if (type === 'm.reaction') return reactionIn(content);
  if (type !== 'm.room.message') return undefined;
  const { data } = message.safeParse(content);
  if (!data || data['m.relates_to']?.rel_type === 'm.replace') return undefined;
  const { body, 'm.relates_to': relates = {} } = data;
  return {
    thread: threadOf(content),
    // In a thread, clients add the last message as a fallback for clients without threads.
    to: relates.is_falling_back ? undefined : relates['m.in_reply_to']?.event_id,
    plain: !isNamed(body),
    command: (context) => commandOf(body, context),
  };
}

function reactionIn(content: unknown): IncomingMessage | undefined {
  const { data } = reaction.safeParse(content);
  if (!data) return undefined;
  const { event_id: to, key } = data['m.relates_to'];
  if (!commandOfReaction(key, undefined)) return undefined;
  return {
    to,
    key,
    plain: false,
    command: ({ request }) => (request ? commandOfReaction(key, request) : undefined),
  };
}

/** The root of the thread that a message is in. */
export function threadOf(content: MatrixEvent['content']): string | undefined {
  const { data } = relation.safeParse(content['m.relates_to']);
  return data?.rel_type === 'm.thread' ? data.event_id : undefined;
}
