import { z } from 'zod';

/** Text as Matrix takes it: no half of a surrogate pair. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .transform((given) => given.toWellFormed());
const id = z
  .string()
  .max(200)
  .regex(/^[\w.:-]+$/, 'may hold only letters, digits and . : _ -');

/** What the plugin of OpenCode posts when a turn of somebody's session has ended: `docs/plugin.md`. */
export const noticeSchema = z.strictObject({
  id,
  kind: z.enum(['idle', 'error']),
  session_id: id,
  parent_id: id.optional(),
  title: text(500).optional(),
  directory: text(4_096).optional(),
  files: z.array(text(1_000)).max(100).default([]),
  more_files: z.int().min(0).optional(),
  text: text(4_000).optional(),
});

/** The end of a turn in a session of OpenCode that is none of the bridge's tasks. */
export interface SessionNotice {
  /** The same for every repeat of this notice. */
  id: string;
  kind: 'idle' | 'error';
  sessionId: string;
  title?: string | undefined;
  directory?: string | undefined;
  /** What the turn edited, at most 100; relative to the directory where they lie in it. */
  files: string[];
  /** How many more there were. */
  moreFiles?: number | undefined;
  /** The last words of the agent, or the error. */
  text?: string | undefined;
}

/** Where people are told of it. */
export interface Notices {
  /** Rejects where the notice cannot be told; with a BridgeError where its words are for whoever posted it. */
  tell(notice: SessionNotice, signal: AbortSignal): Promise<void>;
}
