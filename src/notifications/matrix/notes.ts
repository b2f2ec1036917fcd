import { z } from 'zod';
import { TASK_STATUSES } from '../../tasks/task.ts';
import type { Batch } from '../sink.ts';
import { SinkState } from '../sink-state.ts';

const notesSchema = z.object({
  roomId: z.string().optional(),
  /** The card: the first message of the task's thread. */
  root: z.string().optional(),
  /** Problems with the room. */
  remarks: z.array(z.string()).default([]),
  /** The latest steps, as text. */
  steps: z.array(z.string()).default([]),
  /** The last event that was posted. */
  toldSeq: z.number().default(0),
  /** What the card shows: a digest of all of it, and the status. */
  shown: z.string().optional(),
  shownStatus: z.enum(TASK_STATUSES).optional(),
  /** The message of each open request. */
  requests: z.record(z.string(), z.object({ eventId: z.string(), title: z.string() })).default({}),
});

/** The stored state of one task's messages in Matrix. */
export type Notes = SinkState<z.infer<typeof notesSchema>>;

export function notesOf(batch: Pick<Batch, 'state' | 'save'>): Notes {
  return new SinkState(notesSchema, batch);
}
