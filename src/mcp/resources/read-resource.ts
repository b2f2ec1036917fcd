import { taskErrorNextStep } from '../../api/error-next-step.ts';
import { eventPage } from '../../api/event-page.ts';
import { contentOf } from '../../api/file-view.ts';
import { patchFrom } from '../../api/list-files.ts';
import { nextStep } from '../../api/next-step.ts';
import { BridgeError, quote } from '../../errors.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';
import { unknownResource } from '../fault.ts';
import { statusView } from '../status-view.ts';
import type { ToolServices } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';
import type { ResourceCaller } from './resource-caller.ts';
import { parseResourceUri, type ResourceTarget, taskUri } from './resource-uri.ts';
import { DIFF_TYPE } from './templates.ts';

const JSON_TYPE = 'application/json';
const EVENTS_AT_ONCE = 100;
/** JSON characters of a page of events; one event alone is never cut. */
const MAX_EVENTS = 64_000;
/** Bytes of a diff. A part of one would look like the whole. */
const MAX_DIFF = 1_000_000;
/** How long clients may keep what does not change any more. A new version of the bridge may word it differently. */
const FINAL_TTL_MS = 3_600_000;

export interface ResourceContent {
  mimeType: string;
  body: { text: string } | { blob: string };
  /** Whether it is the same as long as its task is kept. */
  isFinal: boolean;
}

/** A resource of a task, found: whose it is has been checked. */
export interface FoundResource {
  target: ResourceTarget;
  task: Task;
}

/** Throws TASK_NOT_FOUND for a URI that names nothing, and for a task of another agent. */
export async function findResource(uri: string, caller: ResourceCaller): Promise<FoundResource> {
  const target = parseResourceUri(uri);
  if (!target) throw unknownResource();
  return { target, task: await caller.services.execution.find(caller.owner(), target.taskId) };
}

/** The result of `resources/read` and how long it holds, in milliseconds. */
export async function readResource(uri: string, caller: ResourceCaller) {
  const { target, task } = await findResource(uri, caller);
  const { mimeType, body, isFinal } = await contentIn(task, target, caller.services);
  const contents = [wellFormed({ uri, mimeType, ...body })];
  return { contents, ttlMs: isFinal ? ttlOf(task, caller) : 0 };
}

function contentIn(task: Task, target: ResourceTarget, services: ToolServices): Promise<ResourceContent> {
  switch (target.part) {
    case 'status':
      return status(task, services);
    case 'events':
      return events(task, target.after, services);
    case 'result':
      return result(task);
    case 'diff':
      return diff(task, services);
    case 'files':
      return file(task, target.path, services);
  }
}

/** Never final: it is what clients ask for to see whether something is new. */
async function status(task: Task, services: ToolServices): Promise<ResourceContent> {
  return json(await statusView(task, services), false);
}

async function events(task: Task, after: number, services: ToolServices): Promise<ResourceContent> {
  const query = { after_seq: after, severity: 'info' as const, limit: EVENTS_AT_ONCE };
  const page = await eventPage(task, query, services, MAX_EVENTS);
  const { next_after_seq } = page;
  const next_uri =
    next_after_seq === undefined ? undefined : `${taskUri(task.id, 'events')}?after=${next_after_seq}`;
  return json({ ...page, next_uri }, isEnd(task.status));
}

async function result(task: Task): Promise<ResourceContent> {
  return json(resultView(task), isEnd(task.status));
}

/** The outcome of a task; of one that has not ended, its status. */
export function resultView(task: Task) {
  const { id: task_id, status, error } = task;
  const next = nextStep(task, TOOL_NAMES);
  if (!isEnd(status)) return { task_id, status, next };
  return {
    task_id,
    status,
    result: task.result,
    error: error && { ...error, next: taskErrorNextStep(task, TOOL_NAMES) },
    usage: task.usage,
    next,
  };
}

async function diff(task: Task, services: ToolServices): Promise<ResourceContent> {
  const { patch, truncated } = await patchFrom(task, undefined, MAX_DIFF, 0, services);
  if (truncated) {
    const next = `${TOOL_NAMES.files} with include_diff has it in pages, or of one path.`;
    throw new BridgeError('PAYLOAD_TOO_LARGE', `The diff has more than ${MAX_DIFF} bytes.`, { next });
  }
  // Only a task that recorded its changes at its end certainly has a final snapshot.
  const isFinal = isEnd(task.status) && (task.result?.files_changed_total ?? 0) > 0;
  return { mimeType: DIFF_TYPE, body: { text: patch }, isFinal };
}

/** Not final after the end either: another task, or a person, may work in the same folder. */
async function file(task: Task, path: string, services: ToolServices): Promise<ResourceContent> {
  const page = await services.execution.files.read(task, path, undefined, undefined);
  const { content, size, isText, mediaType, truncated } = page;
  if (truncated) {
    const text = `File ${quote(path, 200)} has ${size} bytes, more than ${content.length} are not read at once (MAX_TASK_FILE_SIZE).`;
    const next = `${TOOL_NAMES.file} with offset and limit reads it in pages.`;
    throw new BridgeError('PAYLOAD_TOO_LARGE', text, { next });
  }
  const body = isText ? { text: contentOf(page) } : { blob: contentOf(page) };
  return { mimeType: mediaType, body, isFinal: false };
}

function json(view: object, isFinal: boolean): ResourceContent {
  return { mimeType: JSON_TYPE, body: { text: JSON.stringify(view) }, isFinal };
}

/**
 * At most until the task is removed. Nothing for a caller that a header names: a client keeps one answer for all its
 * agents, and must not give one the task of another.
 */
function ttlOf({ endedAt }: Task, { services, isNamedByHeader }: ResourceCaller): number {
  if (isNamedByHeader || endedAt === undefined) return 0;
  const { retentionMs = 0 } = services;
  if (retentionMs === 0) return FINAL_TTL_MS;
  return Math.max(0, Math.min(FINAL_TTL_MS, endedAt + retentionMs - Date.now()));
}
