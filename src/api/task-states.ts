import type { z } from 'zod';
import { BridgeError, quote } from '../errors.ts';
import type { ListPosition } from '../tasks/list-position.ts';
import type { TaskOwner } from '../tasks/task.ts';
import type { ApiServices } from './services.ts';
import { type taskStateSchema, viewTaskState } from './task-view.ts';

/** Changes of a task within this time are one message. */
const EVERY_MS = 100;

/** States of tasks, ids of removed ones, and the cursor with which a later call goes on after them. */
export interface TaskStates {
  cursor: string;
  tasks: z.output<typeof taskStateSchema>[];
  removed: string[];
}

/**
 * The states of the owner's tasks, each time that some change or are removed. Without a cursor, and with one of another log, it begins
 * with all tasks that have not ended. Throws INVALID_INPUT for a text that is no cursor.
 */
export async function taskStates(
  { execution }: ApiServices,
  agentId: TaskOwner,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<AsyncGenerator<TaskStates, void, void>> {
  const given = cursor === undefined ? undefined : readCursor(cursor);
  const last = await execution.position();
  const isOfThisLog = given !== undefined && given.event <= last.event && given.removal <= last.removal;
  return follow(execution, agentId, isOfThisLog ? given : undefined, signal);
}

async function* follow(
  execution: ApiServices['execution'],
  agentId: TaskOwner,
  given: ListPosition | undefined,
  signal: AbortSignal,
): AsyncGenerator<TaskStates, void, void> {
  const from = given ?? (await execution.position());
  if (given === undefined) {
    const open = (await execution.unfinished()).filter(
      (task) => agentId === undefined || task.agentId === agentId,
    );
    yield { cursor: writeCursor(from), tasks: open.map(viewTaskState), removed: [] };
  }
  for await (const { tasks, removed, position } of execution.followTasks(agentId, from, EVERY_MS, signal)) {
    yield { cursor: writeCursor(position), tasks: tasks.map(viewTaskState), removed };
  }
}

/** Opaque to callers: a store of several bridges may have another kind of position. */
export function writeCursor({ event, removal }: ListPosition): string {
  return Buffer.from(`p2:${event}:${removal}`).toString('base64url');
}

/** A cursor of an older version (`p1`) knows of no removals. */
function readCursor(cursor: string): ListPosition {
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, event, removal = 0] = /^p[12]:(\d{1,15})(?::(\d{1,15}))?$/.exec(text) ?? [];
  if (event !== undefined) return { event: Number(event), removal: Number(removal) };
  throw new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of GET /events.`, {
    next: 'Send the last id of the stream or events_cursor of GET /tasks, or none.',
  });
}
