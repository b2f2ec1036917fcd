import { randomBytes } from 'node:crypto';

const TIME_DIGITS = 9;
/** The last time with so many digits: the year 5188. */
const LAST_TIME = 36 ** TIME_DIGITS - 1;

/** A new task id: sorts by creation time, and its 80 random bits make it unguessable. */
export function newTaskId(now: number): string {
  return `${firstIdAt(now)}${randomBytes(10).toString('hex')}`;
}

/** Sorts before every id of this time and later, and after every earlier one. */
export function firstIdAt(at: number): string {
  const within = Math.min(Math.max(0, Math.floor(at)), LAST_TIME);
  return `task_${within.toString(36).padStart(TIME_DIGITS, '0')}`;
}
