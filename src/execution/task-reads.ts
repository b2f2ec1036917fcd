import type { EventLog } from '../store/event-log.ts';
import type { ChangedTasks, TaskPage, TaskQuery } from '../store/task-store.ts';
import type { EventOf, TaskEvent } from '../tasks/events.ts';
import type { ListPosition } from '../tasks/list-position.ts';
import type { FollowItem } from '../tasks/live-frame.ts';
import type { Task, TaskOwner } from '../tasks/task.ts';
import { ownTask } from './intake.ts';
import { listTasks } from './list-tasks.ts';
import type { LiveFeeds } from './live/live-feeds.ts';

/** Reads tasks and their events, and follows them. The reads are asynchronous, so that a store may be remote. */
export class TaskReads {
  readonly #log: EventLog;
  readonly #live: LiveFeeds;

  constructor(log: EventLog, live: LiveFeeds) {
    this.#log = log;
    this.#live = live;
  }

  /** The owner's task; throws TASK_NOT_FOUND, for another agent's task too. */
  async find(agentId: TaskOwner, taskId: string): Promise<Task> {
    return ownTask(this.#log, agentId, taskId);
  }

  /** A task of any agent; undefined if there is none. */
  async get(taskId: string): Promise<Task | undefined> {
    return this.#log.get(taskId);
  }

  /** The owner's tasks, newest first. A search may return fewer than `limit`, even none, and a `next`. */
  list(query: TaskQuery): Promise<TaskPage> {
    return listTasks(this.#log.store, query);
  }

  /** The tasks of all agents that have not ended, oldest first. */
  async unfinished(): Promise<Task[]> {
    return this.#log.store.unfinished();
  }

  /** Whether an OpenCode session belongs to a task, running or ended. */
  async hasSession(sessionId: string): Promise<boolean> {
    return this.#log.store.hasSession(sessionId);
  }

  /** Up to `limit` events of a task after `afterSeq`. */
  async events(task: Task, afterSeq: number, limit: number): Promise<TaskEvent[]> {
    return this.#log.store.events(task.id, afterSeq, limit);
  }

  /** The event that closed a request of a task, if it is closed. */
  async closedRequest(taskId: string, requestId: string): Promise<EventOf<'request_closed'> | undefined> {
    return this.#log.store.closedRequest(taskId, requestId);
  }

  follow(task: Task, afterSeq: number, signal: AbortSignal): AsyncGenerator<TaskEvent, void, void> {
    return this.#log.follow(task.id, afterSeq, signal);
  }

  /** The position after all that has happened to tasks so far. */
  async position(): Promise<ListPosition> {
    return this.#log.store.lastPosition();
  }

  /** The owner's tasks that change or are removed after a position; changes within `everyMs` come together. */
  followTasks(
    agentId: TaskOwner,
    position: ListPosition,
    everyMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<ChangedTasks, void, void> {
    return this.#log.followTasks(agentId, position, everyMs, signal);
  }

  /** As `follow`, and from the first read on the live text of unfinished parts, which is not stored. */
  followLive(task: Task, afterSeq: number, signal: AbortSignal): AsyncGenerator<FollowItem, void, void> {
    return this.#live.follow(task.id, afterSeq, signal);
  }

  /** Whether the task's log has a message or control with this `ref`: then it is not executed again. */
  async hasRef(task: Task, ref: string): Promise<boolean> {
    return this.#log.store.hasRef(task.id, ref);
  }
}
