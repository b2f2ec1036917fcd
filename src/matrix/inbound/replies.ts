import type { BridgeError, ErrorReason } from '../../errors.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import { tokensOf } from '../../tasks/events.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { howToAnswer } from './answers.ts';
import type { TaskControls } from './task-controls.ts';

const SHOWN_TASKS = 20;
const LINE = 200;

export const HELP = `In a task's thread, or in its room:
!status – shows its state
!say <text>, or just text – sends a message to the agent, after its current turn
!pause, !resume
!cancel [reason]
!allow, !always, !deny [why] – answers a permission; or reply to its message, or react with ✅ 🔁 ❌
!answer <number or text> – answers a question; or reply to its message, or react with 1️⃣ to 9️⃣
!help
!status outside a thread lists the tasks that run.`;

/** A task in a few lines. */
export async function describeTask(task: Task, controls: Pick<TaskControls, 'lastStep'>): Promise<string> {
  const { id, status, progress, usage, requests, result, error } = task;
  const tokens = tokensOf(usage).toLocaleString('en');
  const last = isEnd(status) ? undefined : await controls.lastStep(task);
  const lines = [
    `${id} is ${inWords(task)}${progress === undefined ? '' : `, ${progress} % of its steps done`}.`,
    ...requests.map((request) => `Open request: ${howToAnswer(request)}`),
    ...(last === undefined ? [] : [`Last step: ${last}`]),
    ...(error ? [`${error.code}: ${error.message}`] : []),
    ...(result?.summary ? [oneLine(result.summary, 500)] : []),
    `${tokens} tokens, $${usage.cost_usd.toFixed(4)}`,
  ];
  return lines.join('\n');
}

/** The tasks that have not ended, a line each. */
export function describeTasks(tasks: readonly Task[]): string {
  if (tasks.length === 0) return 'No task runs.';
  const lines = tasks
    .slice(-SHOWN_TASKS)
    .map((task) => `${task.id} is ${inWords(task)}: ${oneLine(task.description, LINE)}`);
  const more = tasks.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} older ones`] : [])].join('\n');
}

/** The error and what to do about it. */
export function describeError({ message, next, reason }: BridgeError): string {
  const wayOut = next ?? (reason && WAYS_OUT[reason.kind]);
  return wayOut === undefined ? message : `${message}\n${wayOut}`;
}

const WAYS_OUT: Partial<Record<ErrorReason['kind'], string>> = {
  task_ended: 'The agent that started it can start another task that continues it.',
  task_queued: 'Try again when it runs; `!cancel` cancels it now.',
};

function inWords({ status }: Task): string {
  return status === 'input_required' ? 'waiting for an answer' : status;
}
