import { waitForTask } from '../api/wait-for-task.ts';
import { describeEvent } from '../tasks/describe-event.ts';
import type { InputRequest } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { type FormOutcome, type Forms, isClosed, openRequests } from './elicitation/forms.ts';
import { LiveLine } from './live-line.ts';
import { ProgressTicker } from './progress.ts';
import { DEFAULT_TOOL_LIMITS, type ToolCall } from './tool.ts';

interface Wait {
  /** Events up to this sequence number are not reported as progress. */
  afterSeq: number;
  ms: number;
  isOver(task: Task): boolean;
}

/** Waits until `isOver` or until the wait as a whole ends or `stop` aborts. */
type Follow = (isOver: (task: Task) => boolean, stop?: AbortSignal) => Promise<Task>;

/** Outcomes of a form after which the task may go on, or must be looked at again. */
const GOES_ON: readonly FormOutcome[] = ['answered', 'closed', 'withdrawn'];

/**
 * Waits until `isOver`, for at most `ms`, or until the call is cancelled or its session ends; sends progress meanwhile.
 * What the task asks is shown to the user of a client with forms, and once it is answered the wait goes on. Resolves
 * with the task as it is then.
 */
export async function waitFor(task: Task, call: ToolCall, { afterSeq, ms, isOver }: Wait): Promise<Task> {
  const { limits = DEFAULT_TOOL_LIMITS } = call.services;
  const ticker = call.progress && new ProgressTicker(call.progress, limits);
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  if (call.ending.aborted) stop();
  call.ending.addEventListener('abort', stop);
  const live = new LiveLine();
  const deadline = performance.now() + Math.min(ms, limits.maxWaitMs);
  let reported = afterSeq;
  const follow: Follow = (isFollowed, extra) =>
    waitForTask(task, call.services, {
      afterSeq: reported,
      ms: Math.max(0, deadline - performance.now()),
      isOver: isFollowed,
      signal: AbortSignal.any([call.signal, ending.signal, ...(extra ? [extra] : [])]),
      onEvent(event, { progress }) {
        reported = event.seq;
        const line = describeEvent(event);
        if (line !== undefined) ticker?.report(line, progress);
      },
      onLive:
        ticker &&
        ((frame) => {
          const line = live.after(frame);
          if (line !== undefined) ticker.report(line, undefined);
        }),
    });
  const mayGoOn = (): boolean =>
    !call.signal.aborted && !ending.signal.aborted && performance.now() < deadline;
  try {
    let now = await follow(isOver);
    for (;;) {
      const request = call.forms && openRequests(now).find((open) => call.forms?.shows(now, open));
      if (!call.forms || !request || !mayGoOn()) return now;
      const outcome = await showForm(now, request, call.forms, follow);
      if (!outcome || !GOES_ON.includes(outcome)) return await follow(() => true);
      now = await follow(isOver);
    }
  } finally {
    call.ending.removeEventListener('abort', stop);
    await ticker?.close();
  }
}

/** Shows a form until it is settled, the request is closed elsewhere, or the wait ends: then it is withdrawn. */
async function showForm(
  task: Task,
  request: InputRequest,
  forms: Forms,
  follow: Follow,
): Promise<FormOutcome | undefined> {
  const withdraw = new AbortController();
  const settled = new AbortController();
  const asked = forms.ask(task, request, withdraw.signal).finally(() => settled.abort());
  const now = await follow((current) => isClosed(current, request), settled.signal);
  if (settled.signal.aborted) return asked;
  withdraw.abort(isClosed(now, request) ? 'It is answered elsewhere.' : 'The call waits no longer.');
  return isClosed(now, request) ? 'closed' : undefined;
}
