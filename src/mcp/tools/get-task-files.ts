import { z } from 'zod';
import { quote, toBridgeError } from '../../errors.ts';
import { type FileChange, fileChangeSchema } from '../../tasks/events.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { agentId, path, taskId } from '../inputs.ts';
import { defineTool, READ_ONLY, type ToolServices } from '../tool.ts';

const MAX_CHANGES = 500;
const MAX_PATCH_BYTES = 100_000;

const output = z.object({
  task_id: z.string(),
  directory: z.string(),
  changes: z.array(fileChangeSchema).optional(),
  total: z.number().optional(),
  entries: z.array(z.object({ path: z.string(), type: z.string(), size: z.number() })).optional(),
  truncated: z.boolean(),
  patch: z.string().optional(),
  patch_truncated: z.boolean().optional(),
});
type Files = z.infer<typeof output>;

/** What a task changed, or what a folder of it holds. */
export const getTaskFiles = defineTool({
  name: 'get_task_files',
  title: 'Task files',
  description:
    'Files a task changed; include_diff adds the patch, of path alone if given. path without include_diff lists that folder.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    path: path.optional(),
    include_diff: z.boolean().default(false),
  }),
  output,
  annotations: READ_ONLY,
  async run({ task_id, path, include_diff }, call) {
    const { services } = call;
    const task = services.execution.find(call.agentId(), task_id);
    const structured =
      path !== undefined && !include_diff
        ? await folder(task, path, services)
        : await difference(task, path, include_diff, services);
    return { structured, text: textOf(structured) };
  },
});

async function folder(task: Task, path: string, { execution }: ToolServices): Promise<Files> {
  const { entries, truncated } = await execution.files.list(task, path);
  return { task_id: task.id, directory: task.directory, entries, truncated };
}

async function difference(
  task: Task,
  path: string | undefined,
  withPatch: boolean,
  { execution: { files } }: ToolServices,
): Promise<Files> {
  const none = { patch: '', truncated: false };
  const patch = withPatch
    ? await unlessUnbegun(task, () => files.patch(task, path, MAX_PATCH_BYTES), none)
    : undefined;
  const all = await unlessUnbegun<FileChange[]>(task, () => files.changes(task), []);
  const changes = path === undefined ? all : all.filter((change) => isAt(change.path, path));
  return {
    task_id: task.id,
    directory: task.directory,
    changes: changes.slice(0, MAX_CHANGES),
    total: changes.length,
    truncated: changes.length > MAX_CHANGES,
    patch: patch?.patch,
    patch_truncated: patch?.truncated,
  };
}

/** A task that has not begun to work has changed nothing. */
async function unlessUnbegun<T>(task: Task, ask: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    const unbegun = !isEnd(task.status) || task.startedAt === undefined;
    if (unbegun && toBridgeError(thrown).code === 'NOT_FOUND') return nothing;
    throw thrown;
  }
}

function isAt(file: string, path: string): boolean {
  const folder = path.replace(/^\.\/|\/+$/g, '');
  return folder === '.' || folder === '' || file === folder || file.startsWith(`${folder}/`);
}

function textOf({
  task_id,
  directory,
  changes,
  total,
  entries,
  truncated,
  patch,
  patch_truncated,
}: Files): string {
  const lines = entries
    ? entries.map(({ path, type, size }) =>
        type === 'directory' ? `${named(path)}/` : `${named(path)} (${size} bytes)`,
      )
    : (changes ?? []).map(changeLine);
  const what = entries ? `${entries.length} entries` : `${total} files changed`;
  const head = `Task ${task_id} in ${directory}: ${what}${truncated ? ', not all shown' : ''}.`;
  const diff =
    patch === undefined ? [] : ['', patch, ...(patch_truncated ? ['(cut; ask for one path)'] : [])];
  return [head, ...lines, ...diff].join('\n');
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
