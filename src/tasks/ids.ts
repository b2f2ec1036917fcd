import { randomBytes } from 'node:crypto';

/** A new task id: sorts by creation time, and its 80 random bits make it unguessable. */
export function newTaskId(now: number): string {
  return `task_${now.toString(36).padStart(9, '0')}${randomBytes(10).toString('hex')}`;
}
