import type { EventOf, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { Task, TaskStatus } from '../tasks/task.ts';

export interface TaskQuery {
  agentId: string;
  status?: TaskStatus | undefined;
  limit: number;
  /** Only tasks older than this id. */
  before?: string | undefined;
}

/** An event with its place among all events of all tasks; positions grow but may have holes. */
export interface PositionedEvent {
  position: number;
  event: TaskEvent;
}

/**
 * Where tasks and their events live. When a call returns, what it wrote outlives this process;
 * all but mere progress outlives a power loss too.
 */
export interface TaskStore {
  /** Adds events to one task, all or none; the first event of a task is `created`. */
  append(taskId: string, bodies: readonly TaskEventBody[], at: number, fingerprint?: string): TaskEvent[];
  get(taskId: string): Task | undefined;
  /** The newest task of the agent with this key, created at or after `since`. */
  findByKey(agentId: string, key: string, since: number): { task: Task; fingerprint: string } | undefined;
  /** Whether a task works in this session of OpenCode, or has. */
  hasSession(sessionId: string): boolean;
  /** An agent's tasks, newest first. */
  list(query: TaskQuery): Task[];
  /** Every task that has not ended, oldest first. */
  unfinished(): Task[];
  /** How many tasks have each status. */
  countByStatus(): Partial<Record<TaskStatus, number>>;
  /** A task's events with `seq` above `afterSeq`, in order. */
  events(taskId: string, afterSeq: number, limit: number): TaskEvent[];
  /** How a request of a task was closed, if it was. */
  closedRequest(taskId: string, requestId: string): EventOf<'request_closed'> | undefined;
  /** The control that was given last. */
  lastControl(taskId: string): EventOf<'control'> | undefined;
  /** Whether an event of the task came from this outside message. */
  hasRef(taskId: string, ref: string): boolean;
  /** Events of all tasks behind a position, in order. */
  eventsAfter(position: number, limit: number): PositionedEvent[];
  close(): void;
}
