import { z } from 'zod';

/** The fields of a client-server API event that the bridge reads. */
export const matrixEvent = z.object({
  event_id: z.string(),
  type: z.string(),
  sender: z.string(),
  /** Epoch milliseconds, by the clock of the sender's server. */
  origin_server_ts: z.number(),
  state_key: z.string().optional(),
  content: z.record(z.string(), z.unknown()),
});

export type MatrixEvent = z.infer<typeof matrixEvent>;

const room = z.object({
  timeline: z
    .object({
      events: z.array(matrixEvent),
      /** The server left out older events since the last answer. */
      limited: z.boolean().default(false),
      /** The position before which the events that were left out are. */
      prev_batch: z.string().optional(),
    })
    .default({ events: [], limited: false }),
});

/** The state of a room that an invited user sees. */
const invitation = z.object({
  invite_state: z.object({ events: z.array(z.looseObject({ type: z.string() })).default([]) }),
});

export const syncAnswer = z.object({
  next_batch: z.string(),
  rooms: z
    .object({
      join: z.record(z.string(), room).default({}),
      invite: z.record(z.string(), invitation).default({}),
    })
    .default({ join: {}, invite: {} }),
});

export type SyncAnswer = z.infer<typeof syncAnswer>;

/** The key of the machine-readable mark in the bridge's messages and rooms. */
export const TASK_KEY = 'io.letta.task';

/** What a message of the bridge is about. */
export const taskMark = z.object({
  task_id: z.string(),
  /** The kind of the task event that it shows. */
  event_type: z.string(),
  seq: z.number().optional(),
  /** Of the task, as the card shows it. */
  status: z.string().optional(),
  /** Of the request that can be answered here. */
  request_id: z.string().optional(),
});

export type TaskMark = z.infer<typeof taskMark>;
