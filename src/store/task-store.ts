import type { EventOf, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { ListPosition } from '../tasks/list-position.ts';
import type { Task, TaskOwner, TaskStatus } from '../tasks/task.ts';

export interface TaskQuery {
  agentId: TaskOwner;
  /** Only tasks with one of these; an empty list matches none. */
  statuses?: readonly TaskStatus[] | undefined;
  /** Only tasks whose description contains this text, in upper or lower case. */
  text?: string | undefined;
  /** Only tasks created at this time or later, epoch milliseconds. */
  createdAfter?: number | undefined;
  /** Only tasks created before this time, epoch milliseconds. */
  createdBefore?: number | undefined;
  /** Tasks in the page at most; at least 1. */
  limit: number;
  /** Only tasks older than this id. */
  before?: string | undefined;
}

/** `next`: `before` of the page that continues this one; absent when there are no more tasks to look at. */
export interface TaskPage {
  tasks: Task[];
  next?: string | undefined;
}

/** An event with its position in the log of all tasks. Positions increase and may have gaps. */
export interface PositionedEvent {
  position: number;
  event: TaskEvent;
}

/** Tasks that have new events, ids of tasks that were removed, and the position up to which both were searched. */
export interface ChangedTasks {
  tasks: Task[];
  removed: string[];
  position: ListPosition;
}

/**
 * Stores tasks and their events. What a call wrote survives the process when the call returns; everything except
 * progress also survives a power loss.
 */
export interface TaskStore {
  /** Adds events to one task, all or none; the first event of a task is `created`. */
  append(taskId: string, bodies: readonly TaskEventBody[], at: number, fingerprint?: string): TaskEvent[];
  get(taskId: string): Task | undefined;
  /** The same, and also a task that is hidden because it is being removed: its last events are still delivered. */
  getEvenRemoved(taskId: string): Task | undefined;
  /** Whether this folder was created for a task that is being removed. */
  isRemovedFolder(path: string): boolean;
  /** The newest task of the agent with this key, created at or after `since`. */
  findByKey(agentId: string, key: string, since: number): { task: Task; fingerprint: string } | undefined;
  /** Whether a task, running or ended, belongs to this OpenCode session. */
  hasSession(sessionId: string): boolean;
  /**
   * The tasks of an owner, newest first. One call does a bounded amount of work: it may return fewer tasks than `limit`, even
   * none, and a `next`.
   */
  list(query: TaskQuery): TaskPage;
  /** Every task that has not ended, oldest first. */
  unfinished(): Task[];
  /** How many tasks have each status. */
  countByStatus(): Partial<Record<TaskStatus, number>>;
  /** A task's events with `seq` above `afterSeq`, in order. */
  events(taskId: string, afterSeq: number, limit: number): TaskEvent[];
  /** The event that closed a request of a task, if it is closed. */
  closedRequest(taskId: string, requestId: string): EventOf<'request_closed'> | undefined;
  /** The last control event of a task. */
  lastControl(taskId: string): EventOf<'control'> | undefined;
  /** Whether the task's log has an event with this `ref`. */
  hasRef(taskId: string, ref: string): boolean;
  /** Events of all tasks after a position, in order. */
  eventsAfter(position: number, limit: number): PositionedEvent[];
  /**
   * The tasks of an owner that have events among the next `limit` events of all tasks after a position, and those among
   * the next `limit` removals. The last 10,000 removals are known.
   */
  changedTasks(agentId: TaskOwner, position: ListPosition, limit: number): ChangedTasks;
  /** The position after all that has happened so far. It never decreases. */
  lastPosition(): ListPosition;
  close(): void;
}
