import { z } from 'zod';
import type { TaskFilePage } from '../workspaces/files.ts';

export type { OpenFile } from '../workspaces/open-file.ts';
export type { TaskFilePage };

/** A page of a file as callers see it. */
export const fileViewSchema = z.object({
  task_id: z.string(),
  file_path: z.string(),
  content: z.string(),
  encoding: z.enum(['utf-8', 'base64']),
  media_type: z.string(),
  size: z.number(),
  offset: z.number(),
  truncated: z.boolean(),
  next_offset: z.number().optional(),
});

export function viewFile(
  task_id: string,
  file_path: string,
  page: TaskFilePage,
): z.infer<typeof fileViewSchema> {
  return {
    task_id,
    file_path,
    content: contentOf(page),
    encoding: page.isText ? 'utf-8' : 'base64',
    media_type: page.mediaType,
    size: page.size,
    offset: page.offset,
    truncated: page.truncated,
    next_offset: page.truncated ? page.offset + page.content.length : undefined,
  };
}

/** The content as text, or as base64 if it is not text. */
export function contentOf({ content, isText }: TaskFilePage): string {
  return content.toString(isText ? 'utf8' : 'base64');
}
