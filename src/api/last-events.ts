import { describeEvent } from '../tasks/describe-event.ts';
import type { Task } from '../tasks/task.ts';
import type { ApiServices } from './services.ts';

const LAST_EVENTS = 5;
const LOOK_BACK = 50;

/** The newest events of a task, one line each. */
export async function lastEvents(task: Task, { execution }: ApiServices): Promise<string[]> {
  const recent = await execution.events(task, Math.max(0, task.lastSeq - LOOK_BACK), LOOK_BACK);
  const lines = recent.flatMap((event) => {
    const line = describeEvent(event);
    return line === undefined ? [] : [`${event.seq} ${new Date(event.at).toISOString()} ${line}`];
  });
  return lines.slice(-LAST_EVENTS);
}

/** The newest event that has a line, without its time. */
export async function lastLine(task: Task, { execution }: ApiServices): Promise<string | undefined> {
  const recent = await execution.events(task, Math.max(0, task.lastSeq - LOOK_BACK), LOOK_BACK);
  return recent.map(describeEvent).findLast((line) => line !== undefined);
}
