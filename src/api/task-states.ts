import type { z } from 'zod';
import { BridgeError, quote } from '../errors.ts';
import type { TaskOwner } from '../tasks/task.ts';
import type { ApiServices } from './services.ts';
import { type taskStateSchema, viewTaskState } from './task-view.ts';

/** Changes of a task within this time are one message. */
const EVERY_MS = 100;
const CURSOR_VERSION = 'p1';

/** States of tasks, and the cursor with which a later call goes on after them. */
export interface TaskStates {
  cursor: string;
  tasks: z.output<typeof taskStateSchema>[];
}

/**
 * The states of the owner's tasks, each time that some change. Without a cursor, and with one of another log, it begins
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
  return follow(execution, agentId, given !== undefined && given <= last ? given : undefined, signal);
}

async function* follow(
  execution: ApiServices['execution'],
  agentId: TaskOwner,
  given: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<TaskStates, void, void> {
  const from = given ?? (await execution.position());
  if (given === undefined) {
    const open = (await execution.unfinished()).filter(
      (task) => agentId === undefined || task.agentId === agentId,
    );
    yield { cursor: writeCursor(from), tasks: open.map(viewTaskState) };
  }
  for await (const { tasks, position } of execution.followTasks(agentId, from, EVERY_MS, signal)) {
    yield { cursor: writeCursor(position), tasks: tasks.map(viewTaskState) };
  }
}

/** Opaque to callers: a store of several bridges may have another kind of position. */
export function writeCursor(position: number): string {
  return Buffer.from(`${CURSOR_VERSION}:${position}`).toString('base64url');
}

function readCursor(cursor: string): number {
  const [, position] = /^p1:(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (position !== undefined) return Number(position);
  throw new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of GET /events.`, {
    next: 'Send the last id of the stream or events_cursor of GET /tasks, or none.',
  });
}
