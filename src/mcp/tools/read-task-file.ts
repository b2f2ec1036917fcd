import { z } from 'zod';
import { agentId, path, taskId } from '../inputs.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

/** One page of a file in a task's directory, exact to the byte. */
export const readTaskFile = defineTool({
  name: 'read_task_file',
  title: 'Read a task file',
  description: 'Content of a file of a task: text or base64. Where truncated, go on at next_offset (bytes).',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    file_path: path,
    offset: z.int().min(0).optional(),
    limit: z.int().min(1).optional(),
  }),
  output: z.object({
    task_id: z.string(),
    file_path: z.string(),
    content: z.string(),
    encoding: z.enum(['utf-8', 'base64']),
    media_type: z.string(),
    size: z.number(),
    offset: z.number(),
    truncated: z.boolean(),
    next_offset: z.number().optional(),
  }),
  annotations: READ_ONLY,
  async run({ task_id, file_path, offset, limit }, call) {
    const { execution } = call.services;
    const task = execution.find(call.agentId(), task_id);
    const page = await execution.files.read(task, file_path, offset, limit);
    const end = page.offset + page.content.length;
    const content = page.content.toString(page.isText ? 'utf8' : 'base64');
    const structured = {
      task_id,
      file_path,
      content,
      encoding: page.isText ? ('utf-8' as const) : ('base64' as const),
      media_type: page.mediaType,
      size: page.size,
      offset: page.offset,
      truncated: page.truncated,
      next_offset: page.truncated ? end : undefined,
    };
    const more = page.truncated ? `; go on with offset ${end}` : '';
    const head = `${file_path} (${page.mediaType}, bytes ${page.offset} to ${end} of ${page.size}${more})`;
    return {
      structured,
      text: `${head}\n${page.isText ? content : '(not text; base64 in structuredContent)'}`,
    };
  },
});
