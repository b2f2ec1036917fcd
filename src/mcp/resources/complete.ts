import { folderPage } from '../../api/list-files.ts';
import { BridgeError, quote, toBridgeError } from '../../errors.ts';
import type { Task, TaskStatus } from '../../tasks/task.ts';
import type { ResourceCaller } from './resource-caller.ts';
import { FILE_TEMPLATE, TEMPLATES } from './templates.ts';

/** As many as the protocol lets an answer have. */
const MAX_VALUES = 100;
/** Pages of tasks that are searched for an id. */
const MAX_PAGES = 10;
/** JSON characters of the entries of a folder that are searched. */
const MAX_ENTRIES = 500_000;
const ID = 'task_';

export interface Completion {
  values: string[];
  hasMore: boolean;
}

const NONE: Completion = { values: [], hasMore: false };

/** Completes a variable of a template; `given` are the other variables that are known. */
export async function completeTemplate(
  uri: string,
  { name, value }: { name: string; value: string },
  given: Readonly<Record<string, string>>,
  caller: ResourceCaller,
): Promise<Completion> {
  if (!TEMPLATES.some(({ uriTemplate }) => uriTemplate === uri)) {
    throw new BridgeError('INVALID_INPUT', `There is no resource template ${quote(uri)}.`, {
      next: 'Use a uriTemplate of resources/templates/list.',
    });
  }
  if (name === 'id') return completeTaskId(value, caller);
  if (name === 'path' && uri === FILE_TEMPLATE) return completePath(given.id ?? '', value, caller);
  return NONE;
}

/** Ids of the caller's tasks, newest first: those that begin with the text, or whose description has it. */
export async function completeTaskId(
  value: string,
  { services, agentId }: ResourceCaller,
  statuses?: readonly TaskStatus[],
): Promise<Completion> {
  const isId = ID.startsWith(value) || value.startsWith(ID);
  const values: string[] = [];
  let before: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const text = isId ? undefined : value;
    const query = { agentId: agentId(), statuses, text, limit: MAX_VALUES, before };
    const { tasks, next } = await services.execution.list(query);
    values.push(...tasks.map(({ id }) => id).filter((id) => !isId || id.startsWith(value)));
    before = next;
    if (next === undefined || values.length >= MAX_VALUES) break;
  }
  return bounded(values, before !== undefined);
}

/** Paths in the folder of a task: what it changed comes first, then what is in the folder that the text begins with. */
async function completePath(taskId: string, value: string, caller: ResourceCaller): Promise<Completion> {
  const { execution } = caller.services;
  const task = await execution.find(caller.owner(), taskId).catch(unlessMissing);
  if (!task) return NONE;
  const folder = value.slice(0, value.lastIndexOf('/') + 1);
  const entries = await pathsIn(task, folder, caller).catch(unlessMissing);
  const changed = (task.result?.files_changed ?? []).filter(({ change }) => change !== 'deleted');
  const paths = [...changed.map(({ path }) => path), ...(entries ?? [])];
  return bounded([...new Set(paths.filter((path) => path.startsWith(value)))], false);
}

/** A folder ends in a slash, so that its content is completed next. */
async function pathsIn(task: Task, folder: string, { services }: ResourceCaller): Promise<string[]> {
  const { rows } = await folderPage(task, folder === '' ? '.' : folder, 0, MAX_ENTRIES, services);
  return rows.map(({ path, type }) => (type === 'directory' ? `${path}/` : path));
}

/** To whom something does not exist, it has no completions. */
function unlessMissing(thrown: unknown): undefined {
  if (toBridgeError(thrown).httpStatus < 500) return undefined;
  throw thrown;
}

function bounded(values: readonly string[], more: boolean): Completion {
  return { values: values.slice(0, MAX_VALUES), hasMore: more || values.length > MAX_VALUES };
}
