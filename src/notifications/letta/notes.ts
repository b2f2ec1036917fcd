import { z } from 'zod';
import type { Batch } from '../sink.ts';
import { SinkState } from '../sink-state.ts';

const notesSchema = z.object({
  /** A block is being made, or was and the answer got lost. */
  creating: z.boolean().optional(),
  block: z.string().optional(),
  attached: z.boolean().optional(),
  /** When the message about the end was about to leave; absent again where it surely did not. */
  sendingAt: z.number().optional(),
  /** When it was there. */
  toldAt: z.number().optional(),
});

/** What is known of one task's things at Letta. */
export type Notes = SinkState<z.infer<typeof notesSchema>>;

export function notesOf(batch: Pick<Batch, 'notes' | 'save'>): Notes {
  return new SinkState(notesSchema, batch);
}
