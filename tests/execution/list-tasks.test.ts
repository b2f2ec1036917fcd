import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listTasks } from '../../src/execution/list-tasks.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskQuery } from '../../src/store/task-store.ts';
import { newTaskId } from '../../src/tasks/ids.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

let folder: Awaited<ReturnType<typeof tempDir>>;
let store: SqliteTaskStore;

beforeEach(async () => {
  folder = await tempDir('list-');
  store = new SqliteTaskStore(openDatabase(folder.path));
});

afterEach(async () => {
  store.close();
  await folder.remove();
});

/** A task created at this time, whose id was made `idBefore` milliseconds earlier. */
function task(at: number, description: string, { agent = 'agent-1', idBefore = 0 } = {}): string {
  const id = newTaskId(at - idBefore);
  store.append(id, [created({ agent_id: agent, description })], at, 'p');
  return id;
}

const find = async (query: Partial<TaskQuery>): Promise<string[]> => {
  const { tasks } = await listTasks(store, { agentId: 'agent-1', limit: 100, ...query });
  return tasks.map(({ description }) => description);
};

describe('the text of a search', () => {
  it('is found anywhere in a description, in upper and lower case of any script', async () => {
    task(START, 'Fix the Login page');
    task(START + 1, 'Übersicht der LOGINS');
    task(START + 2, 'unrelated');
    task(START + 3, 'login of another', { agent: 'agent-2' });
    expect(await find({ text: 'login' })).toEqual(['Übersicht der LOGINS', 'Fix the Login page']);
    expect(await find({ text: 'ÜBER' })).toEqual(['Übersicht der LOGINS']);
    expect(await find({ text: '' })).toHaveLength(3);
  });

  it.each(['%', '_', '100%', "'", '"', '\\', '*', '[a-z]', "' OR 1=1 --"])(
    'has no wildcards and no SQL in it: %s',
    async (text) => {
      task(START, 'plain words, nothing else');
      task(START + 1, `it says ${text} here`);
      expect(await find({ text })).toEqual([`it says ${text} here`]);
    },
  );
});

describe('a time range', () => {
  it('has its first moment and not its last', async () => {
    for (const hour of [0, 1, 2, 3]) task(START + hour * HOUR, `${hour}`);
    expect(await find({ createdAfter: START + HOUR })).toEqual(['3', '2', '1']);
    expect(await find({ createdBefore: START + 2 * HOUR })).toEqual(['1', '0']);
    expect(await find({ createdAfter: START + HOUR, createdBefore: START + 2 * HOUR })).toEqual(['1']);
    expect(await find({ createdAfter: START + 2 * HOUR, createdBefore: START })).toEqual([]);
  });

  it('is of the times of creation, to the millisecond, though ids are a little older', async () => {
    task(START, 'slow folder', { idBefore: 500 });
    expect(await find({ createdAfter: START })).toEqual(['slow folder']);
    expect(await find({ createdAfter: START + 1 })).toEqual([]);
    expect(await find({ createdBefore: START })).toEqual([]);
  });

  it.each([-1, 0, 1.5, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])('can be any: %s', async (time) => {
    task(START, 'one');
    expect(await find({ createdAfter: time, createdBefore: time })).toEqual([]);
    expect((await find({ createdAfter: time })).length + (await find({ createdBefore: time })).length).toBe(
      1,
    );
  });

  it('is filled from beyond the tasks near its ends that do not belong to it', async () => {
    for (let n = 0; n < 30; n += 1) task(START + n * 1_000, `${n}`);
    expect(await find({ createdBefore: START + 10_000, limit: 3 })).toEqual(['9', '8', '7']);
  });
});

it('several statuses are listed together, newest first, over pages', async () => {
  const ids = Array.from({ length: 9 }, (_, n) => task(START + n, `${n}`));
  ids.forEach((id, n) => {
    if (n % 3 === 0) store.append(id, [{ kind: 'cancelled', by: 'me' }], START + HOUR);
    if (n % 3 === 1) store.append(id, [{ kind: 'started' }], START + HOUR);
  });
  const statuses = ['cancelled', 'running', 'cancelled'] as const;
  expect(await find({ statuses })).toEqual(['7', '6', '4', '3', '1', '0']);
  expect(await find({ statuses: ['queued'], text: '5' })).toEqual(['5']);
  expect(await find({ statuses: [] })).toEqual([]);
  const seen: string[] = [];
  for (let before: string | undefined; ; ) {
    const page = await listTasks(store, { agentId: 'agent-1', statuses, limit: 4, before });
    seen.push(...page.tasks.map(({ description }) => description));
    before = page.next;
    if (before === undefined) break;
  }
  expect(seen).toEqual(['7', '6', '4', '3', '1', '0']);
});

describe('a search of a long history', () => {
  const COUNT = 21_000;

  function fill(): void {
    // One event a task would take minutes: the rows alone are what is searched.
    const first = task(START, 'needle');
    store.close();
    const database = openDatabase(folder.path);
    database.exec('PRAGMA synchronous = OFF; BEGIN');
    const copy = database.prepare(
      `INSERT INTO tasks (id, agent_id, status, created_at, description, directory, owns_directory, state)
       SELECT ?, agent_id, status, ?, 'hay ' || ?, directory, owns_directory, state FROM tasks WHERE id = ?`,
    );
    for (let n = 1; n <= COUNT; n += 1) copy.run(newTaskId(START + n), START + n, n, first);
    database.exec('COMMIT');
    store = new SqliteTaskStore(database);
  }

  it('lets others run between its steps, stops at its bound, and goes on with the next page', async () => {
    fill();
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    const page = await listTasks(store, { agentId: 'agent-1', limit: 10, text: 'needle' });
    clearInterval(timer);
    expect(page.tasks).toEqual([]);
    expect(page.next).toBeDefined();
    expect(turns).toBeGreaterThan(5);
    const rest = await listTasks(store, {
      agentId: 'agent-1',
      limit: 10,
      text: 'needle',
      before: page.next,
    });
    expect(rest.tasks.map(({ description }) => description)).toEqual(['needle']);
    expect(rest.next).toBeUndefined();
  });

  it('reads a step of characters, not of tasks, where descriptions are long', () => {
    for (let n = 0; n < 5; n += 1) task(START + n, `${'x'.repeat(600_000)} ${n}`);
    const page = store.list({ agentId: 'agent-1', limit: 10, text: 'x 0' });
    expect(page.tasks).toEqual([]);
    expect(page.next).toBeDefined();
  });
});
