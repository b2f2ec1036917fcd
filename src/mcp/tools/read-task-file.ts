import { z } from 'zod';
import { contentOf, fileViewSchema, type TaskFilePage, viewFile } from '../../api/file-view.ts';
import { agentId, path, taskId } from '../../api/inputs.ts';
import { pageThatFits } from '../../api/pages.ts';
import { CONTENT_PAGE, MAX_ANSWER } from '../answer-limits.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

/** One page of a file in a task's directory, exact to the byte. */
export const readTaskFile = defineTool({
  name: 'read_task_file',
  title: 'Read a file',
  description: 'A file of a task: text or base64. next_offset (bytes) is offset of the next page.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    file_path: path,
    offset: z.int().min(0).optional(),
    limit: z.int().min(1).optional(),
  }),
  output: fileViewSchema,
  annotations: READ_ONLY,
  claude: { searchHint: 'coding task output', maxResultSizeChars: MAX_ANSWER },
  async run({ task_id, file_path, offset, limit }, call) {
    const { execution } = call.services;
    const task = await execution.find(call.agentId(), task_id);
    const load = (bytes: number) => execution.files.read(task, file_path, offset, bytes);
    const page = limit === undefined ? await pageThatFits(CONTENT_PAGE, load, contentOf) : await load(limit);
    const structured = viewFile(task_id, file_path, page);
    return { structured, text: textOf(file_path, page), whole: limit !== undefined };
  },
});

/** The page for who reads the text alone: of a longer one that was asked for, as much as stands in both forms. */
function textOf(path: string, { content, isText, mediaType, offset, size }: TaskFilePage): string {
  const shown = isText ? content.subarray(0, wholeCharacters(content, CONTENT_PAGE)) : content;
  const end = offset + shown.length;
  const more = end < size && shown.length > 0 ? `; go on with offset ${end}` : '';
  const head = `${path} (${mediaType}, bytes ${offset} to ${end} of ${size}${more})`;
  return `${head}\n${isText ? shown.toString() : '(not text; base64 in structuredContent)'}`;
}

/** At most `limit` bytes of a text, none of its characters in part. */
function wholeCharacters(text: Buffer, limit: number): number {
  let end = Math.min(limit, text.length);
  while (end < text.length && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end;
}
