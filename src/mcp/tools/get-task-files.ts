import { z } from 'zod';
import { agentId, path, shortText, taskId } from '../../api/inputs.ts';
import { changesPage, folderPage, patchFrom } from '../../api/list-files.ts';
import { pageThatFits } from '../../api/pages.ts';
import { BridgeError, quote } from '../../errors.ts';
import { type FileChange, fileChangeSchema } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import { MAX_ANSWER, PATCH_PAGE, ROWS_PAGE } from '../answer-limits.ts';
import { defineTool, READ_ONLY, type ToolServices } from '../tool.ts';

const output = z.object({
  task_id: z.string(),
  directory: z.string(),
  changes: z.array(fileChangeSchema).optional(),
  total: z.number().optional(),
  entries: z.array(z.object({ path: z.string(), type: z.string(), size: z.number() })).optional(),
  patch: z.string().optional(),
  patch_truncated: z.boolean().optional(),
  truncated: z.boolean(),
  next_cursor: z.string().optional(),
});
type Files = z.infer<typeof output>;

/** What a task changed, or what a folder of it holds. */
export const getTaskFiles = defineTool({
  name: 'get_task_files',
  title: 'Task files',
  description:
    'Files a task changed; include_diff adds the patch (of path alone if given). path alone lists that folder.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    path: path.optional(),
    include_diff: z.boolean().default(false),
    cursor: shortText.optional(),
  }),
  output,
  annotations: READ_ONLY,
  claude: { searchHint: 'coding task diff', maxResultSizeChars: MAX_ANSWER },
  async run({ task_id, path, include_diff, cursor }, call) {
    const { services } = call;
    const from = parseCursor(cursor);
    const task = await services.execution.find(call.agentId(), task_id);
    const structured =
      path !== undefined && !include_diff
        ? await folder(task, path, from, services)
        : await difference(task, path, include_diff, from, services);
    return { structured, text: textOf(structured) };
  },
});

/** Where an answer begins: at a row of the list, or at a byte of the patch, which comes after the list. */
type Position = { part: 'rows' | 'patch'; at: number };

function parseCursor(cursor = '0'): Position {
  const [, patch, at] = /^(patch:)?(\d{1,8})$/.exec(cursor) ?? [];
  if (at !== undefined) return { part: patch ? 'patch' : 'rows', at: Number(at) };
  throw new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of these files.`, {
    next: 'Give the next_cursor of an earlier answer, or leave it out to start at the beginning.',
  });
}

async function folder(task: Task, path: string, from: Position, services: ToolServices): Promise<Files> {
  const { rows: entries, next } = await folderPage(task, path, from.at, ROWS_PAGE, services);
  const truncated = next !== undefined;
  return { task_id: task.id, directory: task.directory, entries, truncated, next_cursor: cursorOf(next) };
}

async function difference(
  task: Task,
  path: string | undefined,
  withPatch: boolean,
  from: Position,
  services: ToolServices,
): Promise<Files> {
  const inPatch = from.part === 'patch';
  const first = inPatch ? Number.POSITIVE_INFINITY : from.at;
  const { rows: changes, next, total } = await changesPage(task, path, first, ROWS_PAGE, services);
  const list = { task_id: task.id, directory: task.directory, changes, total };
  if (next !== undefined) return { ...list, truncated: true, next_cursor: cursorOf(next) };
  if (!withPatch) return { ...list, truncated: false };
  const { patch, truncated, end } = await pageThatFits(
    PATCH_PAGE,
    (bytes) => patchFrom(task, path, bytes, inPatch ? from.at : 0, services),
    (page) => page.patch,
  );
  const next_cursor = truncated ? `patch:${end}` : undefined;
  return { ...list, patch, patch_truncated: truncated, truncated, next_cursor };
}

function cursorOf(row: number | undefined): string | undefined {
  return row === undefined ? undefined : String(row);
}

function textOf({ task_id, directory, changes = [], total, entries, patch, next_cursor }: Files): string {
  const lines = entries ? entries.map(entryLine) : changes.map(changeLine);
  const what = entries ? `${entries.length} entries` : `${total} files changed`;
  const head = `Task ${task_id} in ${directory}: ${what}${next_cursor === undefined ? '' : ', not all shown'}.`;
  const more = next_cursor === undefined ? [] : [`More: call again with cursor "${next_cursor}".`];
  return [head, ...lines, ...(patch === undefined ? [] : ['', patch]), ...more].join('\n');
}

function entryLine({ path, type, size }: NonNullable<Files['entries']>[number]): string {
  return type === 'directory' ? `${named(path)}/` : `${named(path)} (${size} bytes)`;
}

function changeLine({ change, path, additions, deletions }: FileChange): string {
  return additions === undefined
    ? `${change} ${named(path)} (binary)`
    : `${change} ${named(path)} (+${additions} -${deletions ?? 0})`;
}

/** The name of a file on a line of its own; quoted where it could pass for more than that. */
function named(path: string): string {
  const quoted = quote(path, Number.POSITIVE_INFINITY);
  return quoted === `"${path}"` ? path : quoted;
}
