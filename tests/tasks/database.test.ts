import { afterEach, beforeEach, expect, it } from 'vitest';
import { committing, type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { tempDir } from '../support/temp.ts';
import { created } from './created.ts';

const NORMAL = 1;
const FULL = 2;

let root: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
beforeEach(async () => {
  root = await tempDir('database-');
  database = openDatabase(root.path);
});
afterEach(async () => {
  database.close();
  await root.remove();
});
const level = () => database.prepare('PRAGMA synchronous').get()?.synchronous;

it('waits for the disk, but not in work that need not outlive a power loss', () => {
  expect(level()).toBe(FULL);
  expect(committing(database, 'later', level)).toBe(NORMAL);
  expect(level()).toBe(FULL);
  database.exec('PRAGMA synchronous = NORMAL');
  committing(database, 'later', () => undefined);
  expect(level()).toBe(NORMAL);
});

it('waits for it again where the work failed', () => {
  const fail = (): never => {
    throw new Error('no');
  };
  expect(() => committing(database, 'later', fail)).toThrow('no');
  expect(level()).toBe(FULL);
});

it('what was delivered changes nothing about what the log waits for', () => {
  const store = new SqliteTaskStore(database);
  const deliveries = new SqliteDeliveryStore(database, 'letta');
  store.append('task_1', [created()], 1);
  deliveries.add(['task_1'], 1);
  deliveries.saveState('task_1', { block: 'block_1' }, false);
  store.append('task_1', [{ kind: 'output', text: 'hello', message_id: 'm', part_id: 'p' }], 2);
  expect(level()).toBe(NORMAL);
  deliveries.save({ taskId: 'task_1', seq: 2, dueAt: null, firstFailedAt: null, attempts: 0 });
  store.append('task_1', [{ kind: 'cancelled', by: 'ann' }], 3);
  deliveries.settle('task_1', 3);
  expect(level()).toBe(FULL);
  expect(deliveries.state('task_1')).toEqual({ block: 'block_1' });
});

it('waits for it before what must not be done twice, also while the log does not', () => {
  database.exec('PRAGMA synchronous = NORMAL');
  expect(committing(database, 'waits', level)).toBe(FULL);
  expect(level()).toBe(NORMAL);
  const deliveries = new SqliteDeliveryStore(database, 'letta');
  new SqliteTaskStore(database).append('task_1', [created()], 1);
  deliveries.add(['task_1'], 1);
  const levels: unknown[] = [];
  database.function('seen', () => levels.push(level()));
  database.exec(`CREATE TEMP TRIGGER watch AFTER UPDATE ON deliveries BEGIN SELECT seen(); END`);
  deliveries.saveState('task_1', { sendingAt: 1 }, true);
  deliveries.saveState('task_1', { toldAt: 2 }, false);
  expect(levels).toEqual([FULL, NORMAL]);
});
