import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { BridgeError } from '../errors.ts';
import type { TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { ListPosition } from '../tasks/list-position.ts';
import { isEnd, type Task, type TaskOwner } from '../tasks/task.ts';
import { wellFormed } from '../text.ts';
import type { ChangedTasks, PositionedEvent, TaskStore } from './task-store.ts';

const PAGE = 256;
/** Events that are searched for changed tasks in one step. */
const CHANGES_AT_ONCE = 2_000;

/** What followers of a task get besides its stored events. */
export interface Unstored<T> {
  /** Called when something can be taken. */
  readonly wakes: Set<() => void>;
  /** What comes after the event `seq` and before the next one; undefined if there is nothing (more). */
  take(seq: number): T | undefined;
}

const NOTHING: Unstored<never> = { wakes: new Set(), take: () => undefined };

/** The append-only log of all tasks. An event is stored before it is published. */
export class EventLog {
  readonly store: TaskStore;
  readonly #now: () => number;
  readonly #followers = new Map<string, Subscribers>();
  readonly #tailers = new Set<() => void>();
  readonly #failure = Promise.withResolvers<BridgeError>();
  #failed: BridgeError | undefined;

  constructor(store: TaskStore, now: () => number = Date.now) {
    this.store = store;
    this.#now = now;
  }

  /**
   * Resolves when an event could not be stored (DATA_DIR_UNUSABLE). Nothing is stored after that, so the log has no
   * gap: only its end is missing, and the next process restores that from OpenCode's records.
   */
  get failure(): Promise<BridgeError> {
    return this.#failure.promise;
  }

  /** Stores events of one task, all or none, then wakes its followers. */
  append(taskId: string, ...bodies: TaskEventBody[]): TaskEvent[] {
    return this.#publish(taskId, this.#store(taskId, bodies));
  }

  /** Stores the first event of a new task; `fingerprint` identifies the request under its idempotency key. */
  create(taskId: string, created: TaskEventBody, fingerprint: string): TaskEvent[] {
    return this.#publish(taskId, this.#store(taskId, [created], fingerprint));
  }

  get(taskId: string): Task | undefined {
    return this.store.get(taskId);
  }

  /**
   * A task's events after `afterSeq`: the stored ones, then each new one, without gap or repeat. Ends after the task's
   * last event, or when the signal aborts. The event loop runs between two pages.
   */
  follow(taskId: string, afterSeq: number, signal?: AbortSignal): AsyncGenerator<TaskEvent, void, void> {
    return this.followWith(taskId, afterSeq, signal, NOTHING);
  }

  /** As `follow`, and what is not stored at its place between the events. */
  async *followWith<T>(
    taskId: string,
    afterSeq: number,
    signal: AbortSignal | undefined,
    unstored: Unstored<T>,
  ): AsyncGenerator<TaskEvent | T, void, void> {
    const subscribers = this.#followers.get(taskId) ?? { wakes: new Set(), recent: [] };
    this.#followers.set(taskId, subscribers);
    const alarm = new Alarm([subscribers.wakes, unstored.wakes], signal);
    try {
      let seq = afterSeq;
      while (!signal?.aborted) {
        for (let item = unstored.take(seq); item !== undefined; item = unstored.take(seq)) yield item;
        const page = after(subscribers.recent, seq) ?? this.store.events(taskId, seq, PAGE);
        for (const event of page) {
          yield event;
          seq = event.seq;
          for (let item = unstored.take(seq); item !== undefined; item = unstored.take(seq)) yield item;
        }
        if (page.length === PAGE) await turn();
        if (page.length > 0) continue;
        const task = this.store.get(taskId);
        if (!task || (isEnd(task.status) && task.lastSeq <= seq)) return;
        await alarm.next();
      }
    } finally {
      alarm.close();
      if (subscribers.wakes.size === 0) this.#followers.delete(taskId);
    }
  }

  /**
   * Events of all tasks after a position, in pages, until the signal aborts. The event loop runs between two pages, and
   * a page is read after that, so it has no event that was removed meanwhile.
   */
  async *tail(
    position: number,
    signal: AbortSignal,
    pageSize = PAGE,
  ): AsyncGenerator<PositionedEvent[], void, void> {
    const alarm = new Alarm([this.#tailers], signal);
    try {
      let reached = position;
      while (!signal.aborted) {
        const page = this.store.eventsAfter(reached, pageSize);
        const last = page.at(-1);
        if (last) {
          yield page;
          reached = last.position;
          await turn();
        } else await alarm.next();
      }
    } finally {
      alarm.close();
    }
  }

  /**
   * The tasks of an owner that change or are removed after a position, until the signal aborts. Changes within `everyMs`
   * come together.
   */
  async *followTasks(
    agentId: TaskOwner,
    position: ListPosition,
    everyMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<ChangedTasks, void, void> {
    const alarm = new Alarm([this.#tailers], signal);
    try {
      let reached = position;
      while (!signal.aborted) {
        const changed = this.store.changedTasks(agentId, reached, CHANGES_AT_ONCE);
        const { tasks, removed, position: next } = changed;
        if (tasks.length > 0 || removed.length > 0) yield changed;
        if (next.event === reached.event && next.removal === reached.removal) await alarm.next();
        // After a pause, so that a busy log is not searched for each event.
        else await pause(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
        reached = next;
      }
    } finally {
      alarm.close();
    }
  }

  /** Must be called after a task was removed from the store: who follows the tasks learns of it. */
  announceRemoval(): void {
    for (const wake of this.#tailers) wake();
  }

  #store(taskId: string, bodies: readonly TaskEventBody[], fingerprint?: string): TaskEvent[] {
    if (this.#failed) throw this.#failed;
    try {
      return this.store.append(taskId, wellFormed(bodies), this.#now(), fingerprint);
    } catch (thrown) {
      if (thrown instanceof BridgeError && thrown.code === 'DATA_DIR_UNUSABLE') {
        this.#failed = thrown;
        this.#failure.resolve(thrown);
      }
      throw thrown;
    }
  }

  #publish(taskId: string, events: TaskEvent[]): TaskEvent[] {
    const subscribers = this.#followers.get(taskId);
    if (subscribers) {
      subscribers.recent = [...subscribers.recent, ...events].slice(-PAGE);
      for (const wake of subscribers.wakes) wake();
    }
    for (const wake of this.#tailers) wake();
    return events;
  }
}

/** The followers of a task and its latest events, so that a live follower does not read the database. */
interface Subscribers {
  readonly wakes: Set<() => void>;
  recent: readonly TaskEvent[];
}

/** The recent events after `seq`; undefined where they do not reach back that far. */
function after(recent: readonly TaskEvent[], seq: number): readonly TaskEvent[] | undefined {
  const first = recent[0]?.seq;
  return first !== undefined && first <= seq + 1 ? recent.slice(seq + 1 - first) : undefined;
}

/** A wake-up that is remembered until it is awaited, so that none is lost between a read and the wait. */
class Alarm {
  readonly #groups: readonly Set<() => void>[];
  readonly #signal: AbortSignal | undefined;
  readonly #ring = (): void => {
    this.#rung = true;
    this.#resolve?.();
  };
  #rung = false;
  #resolve: (() => void) | undefined;

  constructor(groups: readonly Set<() => void>[], signal: AbortSignal | undefined) {
    this.#groups = groups;
    this.#signal = signal;
    for (const group of groups) group.add(this.#ring);
    signal?.addEventListener('abort', this.#ring);
  }

  async next(): Promise<void> {
    if (!this.#rung) await new Promise<void>((resolve) => (this.#resolve = resolve));
    this.#rung = false;
    this.#resolve = undefined;
  }

  close(): void {
    for (const group of this.#groups) group.delete(this.#ring);
    this.#signal?.removeEventListener('abort', this.#ring);
  }
}
