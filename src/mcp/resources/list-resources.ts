import { listTasks } from '../../api/list-tasks.ts';
import { BridgeError, printable, quote } from '../../errors.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';
import { resultView } from './read-resource.ts';
import type { ResourceCaller } from './resource-caller.ts';
import { taskUri } from './resource-uri.ts';
import { DIFF_TYPE } from './templates.ts';

const TASKS_AT_ONCE = 20;
/** Tasks in all pages together. Clients follow every cursor, and some put all of it before a model; older tasks are read by id. */
const MAX_TASKS = 100;
const MAX_TITLE = 80;
const JSON_TYPE = 'application/json';

interface ListedResource {
  uri: string;
  name: string;
  title: string;
  description: string;
  mimeType: string;
  /** Bytes, where that is known without reading it. */
  size?: number;
  annotations: { lastModified: string };
}

/** A page of the caller's tasks, newest first; of those that have ended also the result and the changes. */
export async function listResources(cursor: string | undefined, caller: ResourceCaller) {
  const from = positionOf(cursor);
  const query = { cursor: from.before, limit: TASKS_AT_ONCE };
  const { tasks, next_cursor } = await listTasks(caller.services, caller.agentId(), query, (task) => ({
    task_id: task.id,
    resources: resourcesOf(task),
  }));
  const resources = tasks.flatMap((task) => task.resources);
  const listed = from.listed + tasks.length;
  const more = next_cursor !== undefined && listed < MAX_TASKS;
  return wellFormed({ resources, ...(more ? { nextCursor: `${listed}:${next_cursor}` } : {}) });
}

/** Where a page begins: after how many tasks, and the last of them. */
function positionOf(cursor: string | undefined): { listed: number; before?: string | undefined } {
  if (cursor === undefined) return { listed: 0 };
  const [, listed, before] = /^(\d{1,3}):(task_[0-9a-z]{1,60})$/.exec(cursor) ?? [];
  if (before !== undefined) return { listed: Number(listed), before };
  throw new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of this list.`, {
    next: 'Give the nextCursor of an earlier answer, or leave it out to start with the newest task.',
  });
}

function resourcesOf(task: Task): ListedResource[] {
  const title = oneLine(printable(task.description), MAX_TITLE);
  const annotations = { lastModified: new Date(task.updatedAt).toISOString() };
  const about = {
    uri: taskUri(task.id),
    name: task.id,
    title,
    description: `Status of a coding task (${task.status}): requests, usage, result, last events.`,
    mimeType: JSON_TYPE,
    annotations,
  };
  if (!isEnd(task.status)) return [about];
  const result = {
    uri: taskUri(task.id, 'result'),
    name: `${task.id}/result`,
    title: `Result: ${title}`,
    description: `How the task ended (${task.status}): summary, changed files, error, usage.`,
    mimeType: JSON_TYPE,
    size: Buffer.byteLength(JSON.stringify(wellFormed(resultView(task)))),
    annotations,
  };
  const changed = task.result?.files_changed_total ?? 0;
  if (changed === 0) return [about, result];
  const diff = {
    uri: taskUri(task.id, 'diff'),
    name: `${task.id}/diff`,
    title: `Changes: ${title}`,
    description: `What the task changed in ${changed} files, as a unified diff.`,
    mimeType: DIFF_TYPE,
    annotations,
  };
  return [about, result, diff];
}
