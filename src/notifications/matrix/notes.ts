import { z } from 'zod';
import { TASK_STATUSES } from '../../tasks/task.ts';
import type { Batch } from '../sink.ts';
import { SinkState } from '../sink-state.ts';

const notesSchema = z.object({
  roomId: z.string().optional(),
  /** The message that begins the task's thread and is kept up to date. */
  root: z.string().optional(),
  /** What did not work out with the room. */
  remarks: z.array(z.string()).default([]),
  /** The latest steps, in words. */
  steps: z.array(z.string()).default([]),
  /** Up to which event everything is told. */
  toldSeq: z.number().default(0),
  /** What the card shows: a digest of all of it, and the status. */
  shown: z.string().optional(),
  shownStatus: z.enum(TASK_STATUSES).optional(),
  /** By request: the message that asks it. */
  requests: z.record(z.string(), z.object({ eventId: z.string(), title: z.string() })).default({}),
});

/** What is known of one task's messages in Matrix. */
export type Notes = SinkState<z.infer<typeof notesSchema>>;

export function notesOf(batch: Pick<Batch, 'state' | 'save'>): Notes {
  return new SinkState(notesSchema, batch);
}
