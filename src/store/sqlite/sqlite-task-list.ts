import { z } from 'zod';
import { firstIdAt } from '../../tasks/ids.ts';
import type { Task } from '../../tasks/task.ts';
import type { TaskPage, TaskQuery } from '../task-store.ts';
import type { Database } from './database.ts';
import { readTask, TASK_COLUMNS } from './task-row.ts';

/** Tasks, and characters of their descriptions, that one step of a search reads: a few milliseconds. */
const STEP_TASKS = 200;
const STEP_CHARACTERS = 500_000;
/** A task gets its id before its folder is looked up, and its time of creation after that. */
const ID_SLACK_MS = 60_000;
/** Sorts after every id. */
const AFTER_ALL_IDS = '~';

/**
 * Lists the tasks of an owner. An index gives the ids for agent, status and about the time; then each task is read by
 * its id and compared with the exact time and the text.
 */
export class SqliteTaskList {
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#sql = prepareAll(database);
  }

  page(query: TaskQuery): TaskPage {
    const { text = '', limit } = query;
    const wanted = text.toLowerCase();
    const most = wanted === '' ? limit : STEP_TASKS;
    const ids = this.#ids(query, most + 1);
    const tasks: Task[] = [];
    let read = 0;
    for (let characters = 0; read < Math.min(most, ids.length); read += 1) {
      if (tasks.length === limit || characters > STEP_CHARACTERS) break;
      const row = taskText.parse(this.#sql.byId.get(ids[read] ?? ''));
      characters += row.description.length;
      if (isWithin(row.created_at, query) && row.description.toLowerCase().includes(wanted)) {
        tasks.push(readTask(row));
      }
    }
    return { tasks, next: read < ids.length ? ids[read - 1] : undefined };
  }

  /** The newest `most` ids that can match, newest first. */
  #ids({ agentId, statuses, createdAfter, createdBefore, before }: TaskQuery, most: number): string[] {
    const from = createdAfter === undefined ? '' : firstIdAt(createdAfter - ID_SLACK_MS);
    const until = createdBefore === undefined ? AFTER_ALL_IDS : firstIdAt(createdBefore + ID_SLACK_MS);
    const to = before === undefined || until < before ? until : before;
    const { one, all } = this.#sql;
    const [sql, owner] = agentId === undefined ? [all, []] : [one, [agentId]];
    const rows =
      statuses === undefined
        ? sql.ids.all(...owner, from, to, most)
        : [...new Set(statuses)].flatMap((status) => sql.idsByStatus.all(...owner, status, from, to, most));
    const ids = rows.map((row) => idRow.parse(row).id);
    return ids.sort((a, b) => (a < b ? 1 : -1)).slice(0, most);
  }
}

function isWithin(createdAt: number, { createdAfter, createdBefore }: TaskQuery): boolean {
  return createdAt >= (createdAfter ?? 0) && createdAt < (createdBefore ?? Number.POSITIVE_INFINITY);
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  const page = 'id >= ? AND id < ? AND NOT removed ORDER BY id DESC LIMIT ?';
  return {
    one: {
      ids: prepare(`SELECT id FROM tasks WHERE agent_id = ? AND ${page}`),
      idsByStatus: prepare(
        `SELECT id FROM tasks INDEXED BY tasks_by_status WHERE agent_id = ? AND status = ? AND ${page}`,
      ),
    },
    all: {
      ids: prepare(`SELECT id FROM tasks INDEXED BY tasks_of_all WHERE ${page}`),
      idsByStatus: prepare(
        `SELECT id FROM tasks INDEXED BY tasks_of_all_by_status WHERE status = ? AND ${page}`,
      ),
    },
    byId: prepare(`SELECT created_at, ${TASK_COLUMNS} FROM tasks WHERE id = ?`),
  };
}

const idRow = z.object({ id: z.string() });
const taskText = z.looseObject({ created_at: z.number(), description: z.string() });
