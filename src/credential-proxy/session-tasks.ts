import type { IncomingHttpHeaders } from 'node:http';
import { isEnd, type Task } from '../tasks/task.ts';

/** Sessions that are remembered. */
const MAX_SESSIONS = 10_000;

/** What is read of tasks to find whose session it is. */
export interface SessionSource {
  get(taskId: string): Task | undefined;
  unfinished(): Task[];
}

/**
 * Which task a request of an OpenCode server is made for. OpenCode 1.18.33 names the session in `x-session-id` of every
 * request, for titles and summaries too, and in a subagent's also the one that called it (measured).
 */
export class SessionTasks {
  readonly #tasks: SessionSource;
  readonly #known = new Map<string, string>();

  constructor(tasks: SessionSource) {
    this.#tasks = tasks;
  }

  /** Undefined where no unfinished task has the session. */
  taskOf(headers: IncomingHttpHeaders): string | undefined {
    const { 'x-session-id': session, 'x-parent-session-id': parent } = headers;
    const taskId = this.#find(session) ?? this.#find(parent);
    // A subagent's own subagents name it, and not the session of the task.
    if (taskId !== undefined && typeof session === 'string') this.#remember(session, taskId);
    return taskId;
  }

  #find(session: string | string[] | undefined): string | undefined {
    if (typeof session !== 'string') return undefined;
    const known = this.#tasks.get(this.#known.get(session) ?? '');
    if (known && !isEnd(known.status)) return known.id;
    // A follow-up has the session of an earlier task.
    return this.#tasks.unfinished().find(({ sessionId }) => sessionId === session)?.id;
  }

  #remember(session: string, taskId: string): void {
    this.#known.delete(session);
    this.#known.set(session, taskId);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_SESSIONS && oldest !== undefined) this.#known.delete(oldest);
  }
}
