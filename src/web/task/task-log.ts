import { signal } from '@preact/signals';
import { api, Problem } from '../api/client.ts';
import { Backoff } from '../api/reconnect.ts';
import { hasEnded, type TaskDetail, type TaskEvent } from '../api/task.ts';
import type { Frame } from './frames.ts';
import { LiveText } from './live-text.ts';
import { TaskSocket } from './task-socket.ts';

/** Events that are kept; beyond that the oldest go. */
const MAX_EVENTS = 50_000;
const DROPPED_AT_ONCE = 10_000;
/** Frames are shown together, at most once in this time; a hidden page has no animation frames. */
const HIDDEN_FLUSH_MS = 250;
/** The task is read again at most once in this time. */
const REFRESH_MS = 300;

/**
 * connecting → live ⇄ lost; from each of them → ended (all events are here) and → gone (removed, or not ours).
 */
export type Connection = 'connecting' | 'live' | 'lost' | 'ended' | 'gone';

/**
 * A task as it happens: its events in order, complete and without repeats, the live text after them, and the task
 * itself, read again when an event changed it. It survives lost connections and restarts of the bridge.
 */
export class TaskLog {
  readonly taskId: string;
  /** GET /tasks/{task_id}. */
  readonly task = signal<TaskDetail | undefined>(undefined);
  readonly connection = signal<Connection>('connecting');
  /** Why there is no task to show. */
  readonly problem = signal<Problem | undefined>(undefined);
  /** In the order of `seq`, without a gap. Only grows at its end, and loses its oldest entries beyond 50,000. */
  readonly events: TaskEvent[] = [];
  readonly live = new LiveText();
  /** Rises each time that `events` or `live` have changed. */
  readonly version = signal(0);
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff();
  #socket: TaskSocket | undefined;
  #pending: Frame[] = [];
  #refresh: 'idle' | 'running' | 'again' = 'idle';

  constructor(taskId: string) {
    this.taskId = taskId;
  }

  get lastSeq(): number {
    return this.events.at(-1)?.seq ?? this.#firstAfter;
  }

  /** Follows the task until `close` or its end. */
  async start(): Promise<void> {
    const { signal } = this.#stop;
    await this.#load();
    while (!signal.aborted && this.connection.value !== 'gone' && this.connection.value !== 'ended') {
      await this.#follow();
    }
  }

  close(): void {
    this.#stop.abort();
    this.#socket?.close();
  }

  /** Sends `message`, `cancel`, `pause`, `resume` or `answer`. Throws a Problem. */
  async command(frame: { type: string; [field: string]: unknown }): Promise<Record<string, unknown>> {
    if (this.#socket && this.connection.value === 'live') return this.#socket.command(frame);
    throw new Problem(0, 'UNREACHABLE', 'The bridge does not answer.', 'Try again when it is back.');
  }

  /** Reads the task again; several calls at once are one or two. */
  async refresh(): Promise<void> {
    if (this.#refresh !== 'idle') {
      this.#refresh = 'again';
      return;
    }
    this.#refresh = 'running';
    await this.#load();
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    const again = (this.#refresh as string) === 'again';
    this.#refresh = 'idle';
    if (again && !this.#stop.signal.aborted) await this.refresh();
  }

  /** The events after a `seq`. */
  *since(seq: number): Generator<TaskEvent, void, void> {
    const first = this.events[0]?.seq ?? 0;
    for (let index = Math.max(0, seq + 1 - first); index < this.events.length; index += 1) {
      const event = this.events[index];
      if (event) yield event;
    }
  }

  /** The `seq` before the first event that is asked for: of a very long task only the end is loaded. */
  #firstAfter = 0;

  async #load(): Promise<void> {
    try {
      const task = await api.get<TaskDetail>(`/tasks/${this.taskId}`, {}, this.#stop.signal);
      if (!this.task.value) this.#firstAfter = Math.max(0, task.last_seq - (MAX_EVENTS - DROPPED_AT_ONCE));
      this.task.value = task;
      this.problem.value = undefined;
    } catch (thrown) {
      if (!(thrown instanceof Problem)) return;
      if (thrown.status === 404) this.#gone(thrown);
      else if (!this.task.value) this.problem.value = thrown;
    }
  }

  async #follow(): Promise<void> {
    try {
      if (!this.task.value) throw new Problem(0, 'UNREACHABLE', 'The task is not loaded yet.');
      this.#socket = await TaskSocket.open(this.taskId, this.lastSeq, this.#opened, this.#receive);
      if (this.#stop.signal.aborted) this.#socket.close();
      const { code, opened } = await this.#socket.closed;
      this.#flush();
      if (this.#stop.signal.aborted) return;
      if (code === 1000 || this.#isComplete()) this.connection.value = 'ended';
      else if (code === 4404) this.#gone(new Problem(404, 'TASK_NOT_FOUND', 'The task was removed.'));
      else if (opened) this.connection.value = 'lost';
      if (code === 1000) await this.#load();
    } catch (thrown) {
      if (thrown instanceof Problem && thrown.status === 404) this.#gone(thrown);
    }
    if (this.#stop.signal.aborted || ['ended', 'gone'].includes(this.connection.value)) return;
    this.connection.value = this.task.value ? 'lost' : 'connecting';
    await this.#backoff.wait(this.#stop.signal);
    if (!this.#stop.signal.aborted) await this.#load();
  }

  readonly #opened = (): void => {
    this.#backoff.reset();
    // What was written while the connection was lost comes again, or as an event.
    this.live.parts.clear();
    this.connection.value = 'live';
  };

  readonly #receive = (frame: Frame): void => {
    if (this.#pending.push(frame) > 1) return;
    if (document.hidden) setTimeout(this.#flush, HIDDEN_FLUSH_MS);
    else requestAnimationFrame(this.#flush);
  };

  readonly #flush = (): void => {
    const frames = this.#pending.splice(0);
    if (frames.length === 0) return;
    let changed = false;
    for (const frame of frames) {
      if (frame.type === 'delta') this.live.add(frame);
      if (frame.type !== 'event' || frame.event.seq <= this.lastSeq) continue;
      this.events.push(frame.event);
      this.live.finish(frame.event);
      changed = true;
    }
    if (this.events.length > MAX_EVENTS) this.events.splice(0, DROPPED_AT_ONCE);
    this.version.value += 1;
    const known = this.task.value?.last_seq ?? 0;
    if (changed && this.lastSeq > known) void this.refresh();
  };

  #isComplete(): boolean {
    const task = this.task.value;
    return task !== undefined && hasEnded(task.status) && this.lastSeq >= task.last_seq;
  }

  #gone(problem: Problem): void {
    this.problem.value = problem;
    this.connection.value = 'gone';
    this.#socket?.close();
  }
}
