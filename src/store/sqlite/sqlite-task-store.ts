import type { StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { EventOf, TaskEvent, TaskEventBody, TaskEventKind } from '../../tasks/events.ts';
import { taskEventBodySchema } from '../../tasks/events.ts';
import type { ListPosition } from '../../tasks/list-position.ts';
import { apply, isEnd, TASK_STATUSES, type Task, type TaskOwner, type TaskStatus } from '../../tasks/task.ts';
import type { ChangedTasks, PositionedEvent, TaskPage, TaskQuery, TaskStore } from '../task-store.ts';
import { type Database, guarded, transaction } from './database.ts';
import { SqliteTaskChanges } from './sqlite-task-changes.ts';
import { SqliteTaskList } from './sqlite-task-list.ts';
import { parseStored, readTask, stateOf, TASK_COLUMNS } from './task-row.ts';

/** Kinds that OpenCode records as well. Only these may be lost in a power loss. */
const PROGRESS: ReadonlySet<TaskEventKind> = new Set([
  'output',
  'tool',
  'file_changed',
  'todo',
  'retrying',
  'usage',
]);

/** TaskStore in SQLite. Tasks that have not ended are also in memory, so that an append reads nothing. */
export class SqliteTaskStore implements TaskStore {
  readonly #database: Database;
  readonly #live = new Map<string, Task>();
  #durability: 'process death' | 'power loss' = 'power loss';
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #list: SqliteTaskList;
  readonly #changes: SqliteTaskChanges;

  constructor(database: Database) {
    this.#database = database;
    this.#list = guarded(database, () => new SqliteTaskList(database));
    this.#changes = guarded(database, () => new SqliteTaskChanges(database));
    this.#sql = guarded(database, () => prepareAll(database));
    for (const row of guarded(database, () => this.#sql.unfinished.all())) {
      const task = readTask(row);
      this.#live.set(task.id, task);
    }
  }

  append(taskId: string, bodies: readonly TaskEventBody[], at: number, fingerprint?: string): TaskEvent[] {
    const before = this.get(taskId);
    let task = before;
    const events = bodies.map((body) => {
      const event: TaskEvent = { ...body, taskId, seq: (task?.lastSeq ?? 0) + 1, at };
      task = apply(task, event);
      return event;
    });
    if (!task || events.length === 0) return events;
    const changed = task;
    this.#setDurability(bodies.every((body) => PROGRESS.has(body.kind)) ? 'process death' : 'power loss');
    transaction(this.#database, () => {
      if (!before) this.#insert(changed, fingerprint);
      else if (before.status === changed.status) this.#sql.setState.run(stateOf(changed), taskId);
      else this.#sql.setStatus.run(changed.status, changed.endedAt ?? null, stateOf(changed), taskId);
      bodies.forEach((body, index) => {
        this.#sql.addEvent.run(taskId, changed.lastSeq - bodies.length + 1 + index, at, JSON.stringify(body));
      });
    });
    if (isEnd(task.status)) this.#live.delete(taskId);
    else this.#live.set(taskId, task);
    return events;
  }

  get(taskId: string): Task | undefined {
    const live = this.#live.get(taskId);
    if (live) return live;
    const row = this.#sql.byId.get(taskId);
    return row && readTask(row);
  }

  getEvenRemoved(taskId: string): Task | undefined {
    const row = this.#sql.byIdEvenRemoved.get(taskId);
    return this.#live.get(taskId) ?? (row && readTask(row));
  }

  isRemovedFolder(path: string): boolean {
    return this.#sql.removedFolder.get(path) !== undefined;
  }

  findByKey(agentId: string, key: string, since: number): { task: Task; fingerprint: string } | undefined {
    const row = this.#sql.byKey.get(agentId, key, since);
    return row && { task: readTask(row), fingerprint: z.string().parse(row.fingerprint) };
  }

  hasSession(sessionId: string): boolean {
    return this.#sql.bySession.get(sessionId) !== undefined;
  }

  list(query: TaskQuery): TaskPage {
    return this.#list.page(query);
  }

  unfinished(): Task[] {
    return [...this.#live.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  countByStatus(): Partial<Record<TaskStatus, number>> {
    const counts: Partial<Record<TaskStatus, number>> = {};
    for (const row of this.#sql.counts.all()) {
      const { status, n } = countRow.parse(row);
      counts[status] = n;
    }
    return counts;
  }

  events(taskId: string, afterSeq: number, limit: number): TaskEvent[] {
    return this.#sql.events.all(taskId, afterSeq, limit).map((row) => readEvent(row).event);
  }

  closedRequest(taskId: string, requestId: string): EventOf<'request_closed'> | undefined {
    const row = this.#sql.closedRequest.get(taskId, requestId);
    const event = row && readEvent(row).event;
    return event?.kind === 'request_closed' ? event : undefined;
  }

  lastControl(taskId: string): EventOf<'control'> | undefined {
    const row = this.#sql.lastControl.get(taskId);
    const event = row && readEvent(row).event;
    return event?.kind === 'control' ? event : undefined;
  }

  hasRef(taskId: string, ref: string): boolean {
    return this.#sql.hasRef.get(taskId, ref) !== undefined;
  }

  eventsAfter(position: number, limit: number): PositionedEvent[] {
    return this.#sql.eventsAfter.all(position, limit).map(readEvent);
  }

  changedTasks(agentId: TaskOwner, position: ListPosition, limit: number): ChangedTasks {
    return this.#changes.after(agentId, position, limit);
  }

  lastPosition(): ListPosition {
    return this.#changes.last();
  }

  close(): void {
    this.#database.close();
  }

  #insert(task: Task, fingerprint: string | undefined): void {
    const { id, agentId, status, createdAt, idempotencyKey, description, directory, endedAt } = task;
    const owns = task.ownsDirectory ? 1 : 0;
    const optional = [idempotencyKey, fingerprint, endedAt].map((value) => value ?? null);
    const required = [id, agentId, status, createdAt, description, directory, owns, stateOf(task)];
    this.#sql.insert.run(...required, ...optional);
  }

  /** Sets what the next commit survives. One that survives a power loss also writes all earlier ones to disk. */
  #setDurability(durability: 'process death' | 'power loss'): void {
    if (durability === this.#durability) return;
    this.#database.exec(`PRAGMA synchronous = ${durability === 'power loss' ? 'FULL' : 'NORMAL'}`);
    this.#durability = durability;
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  const task = `SELECT ${TASK_COLUMNS} FROM tasks`;
  const event = 'SELECT position, task_id, seq, at, body FROM events';
  return {
    insert: prepare(
      `INSERT INTO tasks (id, agent_id, status, created_at, description, directory, owns_directory, state,
                          idempotency_key, fingerprint, ended_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    setState: prepare('UPDATE tasks SET state = ? WHERE id = ?'),
    setStatus: prepare('UPDATE tasks SET status = ?, ended_at = ?, state = ? WHERE id = ?'),
    addEvent: prepare('INSERT INTO events (task_id, seq, at, body) VALUES (?, ?, ?, ?)'),
    byId: prepare(`${task} WHERE id = ? AND NOT removed`),
    byIdEvenRemoved: prepare(`${task} WHERE id = ?`),
    removedFolder: prepare('SELECT 1 FROM tasks WHERE directory = ? AND removed AND owns_directory LIMIT 1'),
    byKey: prepare(
      `${task} WHERE agent_id = ? AND idempotency_key = ? AND created_at >= ? AND NOT removed
       ORDER BY created_at DESC, id DESC LIMIT 1`,
    ),
    bySession: prepare("SELECT 1 FROM tasks WHERE state ->> 'sessionId' = ? LIMIT 1"),
    unfinished: prepare(
      `${task} WHERE status NOT IN ('completed', 'failed', 'timeout', 'cancelled') ORDER BY id`,
    ),
    counts: prepare('SELECT status, n FROM task_counts WHERE n > 0'),
    events: prepare(`${event} WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?`),
    closedRequest: prepare(
      `${event} WHERE task_id = ? AND body ->> 'kind' = 'request_closed' AND body ->> 'request_id' = ? LIMIT 1`,
    ),
    lastControl: prepare(
      `${event} WHERE task_id = ? AND body ->> 'kind' = 'control' ORDER BY seq DESC LIMIT 1`,
    ),
    hasRef: prepare("SELECT 1 FROM events WHERE task_id = ? AND body ->> 'ref' = ? LIMIT 1"),
    eventsAfter: prepare(`${event} WHERE position > ? ORDER BY position LIMIT ?`),
  };
}

const eventRow = z.object({
  position: z.number(),
  task_id: z.string(),
  seq: z.number(),
  at: z.number(),
  body: z.string(),
});
const countRow = z.object({ status: z.enum(TASK_STATUSES), n: z.number() });

function readEvent(row: unknown): PositionedEvent {
  const { position, task_id: taskId, seq, at, body } = eventRow.parse(row);
  return { position, event: { ...taskEventBodySchema.parse(parseStored(body)), taskId, seq, at } };
}
