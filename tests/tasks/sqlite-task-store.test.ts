import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';
import { created } from './created.ts';

const DATABASE = join(import.meta.dirname, '../../src/store/sqlite/database.ts');
const END: TaskEventBody = { kind: 'cancelled', by: 'me' };

let folder: Awaited<ReturnType<typeof tempDir>>;
let store: SqliteTaskStore;

beforeEach(async () => {
  folder = await tempDir('store-');
  store = new SqliteTaskStore(openDatabase(folder.path));
});

afterEach(async () => {
  store.close();
  await folder.remove();
});

function reopen(): void {
  store.close();
  store = new SqliteTaskStore(openDatabase(folder.path));
}

describe('SqliteTaskStore', () => {
  it('numbers events from 1 within a task and gives them back in order', () => {
    store.append('task_1', [created(), { kind: 'started' }], 1_000, 'print');
    store.append('task_2', [created()], 1_500, 'print');
    store.append('task_1', [{ kind: 'output', text: 'hi', message_id: 'm', part_id: 'p' }], 2_000);
    expect(store.events('task_1', 0, 10).map(({ seq, kind, at }) => [seq, kind, at])).toEqual([
      [1, 'created', 1_000],
      [2, 'started', 1_000],
      [3, 'output', 2_000],
    ]);
    expect(store.events('task_1', 2, 10)).toHaveLength(1);
    expect(store.eventsAfter(0, 10).map(({ event }) => event.taskId)).toEqual([
      'task_1',
      'task_1',
      'task_2',
      'task_1',
    ]);
  });

  it('gives the same tasks after it is opened again, ended or not', () => {
    store.append(
      'task_1',
      [created({ model: 'mock/m1', description: 'ünï\u0000code "quotes"' }), { kind: 'started' }],
      1,
      'p',
    );
    store.append('task_2', [created(), END], 2, 'p');
    const before = [store.get('task_1'), store.get('task_2')];
    reopen();
    expect([store.get('task_1'), store.get('task_2')]).toEqual(before);
    expect(store.unfinished().map(({ id }) => id)).toEqual(['task_1']);
    expect(store.append('task_1', [{ kind: 'paused' }], 3)[0]?.seq).toBe(3);
  });

  it('knows the sessions of its tasks, by an index, also after their ends and a restart', () => {
    store.append('task_1', [created({ session_id: 'ses_of_the_task_before' })], 1, 'p');
    store.append('task_2', [created()], 1, 'p');
    const known = () =>
      ['ses_of_the_task_before', 'ses_new', 'ses_else', ''].filter((id) => store.hasSession(id));
    expect(known()).toEqual(['ses_of_the_task_before']);
    store.append('task_2', [{ kind: 'attached', session_id: 'ses_new', prompt_id: 'msg_1' }, END], 2);
    expect(known()).toEqual(['ses_of_the_task_before', 'ses_new']);
    reopen();
    expect(known()).toEqual(['ses_of_the_task_before', 'ses_new']);
    store.close();
    const raw = new DatabaseSync(join(folder.path, 'bridge.db'));
    const query = "EXPLAIN QUERY PLAN SELECT 1 FROM tasks WHERE state ->> 'sessionId' = ? LIMIT 1";
    expect(raw.prepare(query).get('ses_new')).toMatchObject({
      detail: expect.stringContaining('tasks_by_session'),
    });
    raw.close();
    store = new SqliteTaskStore(openDatabase(folder.path));
  });

  it('stores all events of an append or none', () => {
    store.append('task_1', [created()], 1, 'p');
    expect(() => store.append('task_1', [{ kind: 'started' }, END, { kind: 'paused' }], 2)).toThrow(
      /has ended/,
    );
    expect(store.events('task_1', 0, 10)).toHaveLength(1);
    expect(store.get('task_1')?.status).toBe('queued');
  });

  it('finds the event that closed a request', () => {
    const closed: TaskEventBody = { kind: 'request_closed', request_id: 'per_1', by: 'me', reply: 'once' };
    store.append('task_1', [created(), { kind: 'started' }, closed], 1, 'p');
    expect(store.closedRequest('task_1', 'per_1')).toMatchObject({ by: 'me', reply: 'once' });
    expect(store.closedRequest('task_1', 'per_2')).toBeUndefined();
    expect(store.closedRequest('task_2', 'per_1')).toBeUndefined();
  });

  it('knows the outside messages that events of a task came from', () => {
    const message: TaskEventBody = { kind: 'message', from: 'human', delivery: 'queue', text: '$two' };
    store.append('task_1', [created({ idempotency_key: '$three' }), { ...message, ref: '$one' }], 1, 'p');
    store.append('task_1', [{ kind: 'control', control: 'pause', by: 'me', ref: "$it's" }], 1);
    store.append('task_2', [created(), message], 1, 'p');
    reopen();
    expect(['$one', "$it's", '$two', '$three', ''].map((ref) => store.hasRef('task_1', ref))).toEqual([
      ...[true, true, false, false, false],
    ]);
    expect(store.hasRef('task_2', '$one')).toBe(false);
    expect(store.events('task_1', 0, 10)).toMatchObject([{}, { ref: '$one' }, { ref: "$it's" }]);
    expect(store.events('task_2', 1, 1)[0]).not.toHaveProperty('ref');
  });

  it('knows the control that was given last', () => {
    store.append('task_1', [created(), { kind: 'started' }], 1, 'p');
    expect(store.lastControl('task_1')).toBeUndefined();
    store.append(
      'task_1',
      [{ kind: 'control', control: 'pause', by: 'me', ref: '$one' }, { kind: 'paused' }],
      1,
    );
    store.append('task_1', [{ kind: 'control', control: 'resume', by: 'me' }, { kind: 'resumed' }], 1);
    store.append('task_2', [created(), { kind: 'control', control: 'pause', by: 'you' }], 1, 'p');
    reopen();
    expect(store.lastControl('task_1')).toMatchObject({ seq: 5, control: 'resume' });
    expect(store.lastControl('task_1')).not.toHaveProperty('ref');
    expect(store.lastControl('task_3')).toBeUndefined();
  });

  it('finds the newest task of a key that was used again', () => {
    for (const n of [1, 2, 3]) store.append(`task_${n}`, [created({ idempotency_key: 'k' })], n, 'p');
    expect(store.findByKey('agent-1', 'k', 1)?.task.id).toBe('task_3');
  });

  it('finds a key only for its agent and its time', () => {
    store.append('task_1', [created({ idempotency_key: 'k' })], 1_000, 'print');
    expect(store.findByKey('agent-1', 'k', 1_000)).toMatchObject({
      task: { id: 'task_1' },
      fingerprint: 'print',
    });
    expect(store.findByKey('agent-1', 'k', 1_001)).toBeUndefined();
    expect(store.findByKey('agent-2', 'k', 0)).toBeUndefined();
  });

  it("lists an agent's tasks newest first, by status and by page", () => {
    for (const n of [1, 2, 3]) store.append(`task_${n}`, [created()], n, 'p');
    store.append('task_4', [created({ agent_id: 'other' })], 4, 'p');
    store.append('task_2', [END], 5);
    const ids = (query: object) =>
      store.list({ agentId: 'agent-1', limit: 10, ...query }).tasks.map(({ id }) => id);
    expect(ids({})).toEqual(['task_3', 'task_2', 'task_1']);
    expect(ids({ statuses: ['queued'] })).toEqual(['task_3', 'task_1']);
    expect(ids({ limit: 1, before: 'task_3' })).toEqual(['task_2']);
    expect(ids({ statuses: ['queued'], before: 'task_3' })).toEqual(['task_1']);
    expect(ids({ statuses: ['queued'], limit: 1 })).toEqual(['task_3']);
    expect(store.countByStatus()).toEqual({ queued: 3, cancelled: 1 });
  });
});

describe('openDatabase', () => {
  it('refuses a folder that another process has open, and opens it once that is killed', async () => {
    store.close();
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { openDatabase } from ${JSON.stringify(DATABASE)};
       openDatabase(${JSON.stringify(folder.path)}); console.log('open'); setInterval(() => {}, 1000);`,
    ]);
    await once(holder.stdout, 'data');
    expect(() => openDatabase(folder.path)).toThrow(/DATA_DIR .* is in use by another bridge process/);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    store = new SqliteTaskStore(openDatabase(folder.path));
    expect(store.unfinished()).toEqual([]);
  });

  it('keeps what a process wrote before it was killed in the next line', () => {
    store.close();
    const script = `
      import { openDatabase } from ${JSON.stringify(DATABASE)};
      import { SqliteTaskStore } from ${JSON.stringify(DATABASE.replace('database', 'sqlite-task-store'))};
      const store = new SqliteTaskStore(openDatabase(${JSON.stringify(folder.path)}));
      store.append('task_1', [${JSON.stringify(created())}, { kind: 'started' }], 1, 'p');
      store.append('task_1', [{ kind: 'output', text: 'x', message_id: 'm', part_id: 'p' }], 2);
      process.kill(process.pid, 'SIGKILL');`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    expect(run.signal).toBe('SIGKILL');
    store = new SqliteTaskStore(openDatabase(folder.path));
    expect(store.events('task_1', 0, 10).map(({ kind }) => kind)).toEqual(['created', 'started', 'output']);
  });

  it('refuses a database of a newer version in clear words', () => {
    store.close();
    const raw = new DatabaseSync(join(folder.path, 'bridge.db'));
    const version = raw.prepare('PRAGMA user_version').get()?.user_version;
    raw.exec('PRAGMA user_version = 99');
    raw.close();
    expect(() => openDatabase(folder.path)).toThrow(
      /schema version 99, this version of the bridge supports up to/,
    );
    const again = new DatabaseSync(join(folder.path, 'bridge.db'));
    again.exec(`PRAGMA user_version = ${version}`);
    again.close();
    store = new SqliteTaskStore(openDatabase(folder.path));
  });

  it('names the folder where the database is damaged or cannot be made', async () => {
    const damaged = join(folder.path, 'damaged');
    await mkdir(damaged);
    await writeFile(join(damaged, 'bridge.db'), 'this is no database'.repeat(100));
    expect(() => openDatabase(damaged)).toThrow(
      /DATA_DIR ".*damaged" cannot be used: file is not a database/,
    );
    expect(() => openDatabase(join(damaged, 'bridge.db', 'below'))).toThrow(
      /DATA_DIR ".*below" cannot be used/,
    );
  });
});
