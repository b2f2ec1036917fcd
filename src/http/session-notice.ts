import { z } from 'zod';

/** Text without lone surrogates, which Matrix refuses. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .transform((given) => given.toWellFormed());
const id = z
  .string()
  .max(200)
  .regex(/^[\w.:-]+$/, 'may hold only letters, digits and . : _ -');

/** What the OpenCode plugin posts when a turn of a person's session has ended: `docs/plugin.md`. */
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
