import { z } from 'zod';
import type { Batch } from '../sink.ts';
import { SinkState } from '../sink-state.ts';

/** Stored as it is; the names must not change. */
const stateSchema = z.object({
  /** A request to create a block was sent, and its answer has not been stored. */
  creating: z.boolean().optional(),
  /** The id of the block. */
  block: z.string().optional(),
  attached: z.boolean().optional(),
  /** When the outcome message was about to be sent; absent again where it was certainly not delivered. */
  sendingAt: z.number().optional(),
  /** When the outcome message had been delivered. */
  toldAt: z.number().optional(),
});

/** What exists at Letta for one task. */
export type LettaState = SinkState<z.infer<typeof stateSchema>>;

export function lettaState(batch: Pick<Batch, 'state' | 'save'>): LettaState {
  return new SinkState(stateSchema, batch);
}
