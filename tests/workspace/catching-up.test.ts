import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { WorkspaceManager } from '../../src/memory/workspace-manager.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBlockStore } from '../../src/store/sqlite/sqlite-block-store.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';

const logger = createLogger('silent');
const BOUNDS = { maxEvents: 2_000, limit: 500_000 };
/** Events between two turns of the event loop, at most. */
const AT_ONCE = 32;
const END: TaskEventBody = { kind: 'cancelled', by: 'me' };
const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `${n}`,
});

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
let log: EventLog;
let memory: SqliteBlockStore;

beforeEach(async () => {
  folder = await tempDir('catching-up-');
  database = openDatabase(folder.path);
  log = new EventLog(new SqliteTaskStore(database));
  memory = new SqliteBlockStore(database);
});

afterEach(async () => {
  log.store.close();
  await folder.remove();
});

const manager = () => new WorkspaceManager(log, memory, BOUNDS, logger);
const turn = () => new Promise(setImmediate);
const messagesOf = (taskId: string) =>
  manager()
    .block(taskId)
    ?.events.map(({ message }) => message);

/** Two tasks of 500 outputs each, by turns. */
function fill(): void {
  for (const id of ['task_1', 'task_2']) log.create(id, created(), 'p');
  for (let n = 0; n < 500; n += 1) for (const id of ['task_1', 'task_2']) log.append(id, output(n));
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

it('lets the event loop run on the way to the end of a long log, and projects what arrives meanwhile', async () => {
  fill();
  const workspace = manager();
  const steps: number[] = [];
  workspace.start();
  for (let before = 0; memory.cursor() < 1_002; before = steps.at(-1) ?? before) {
    steps.push(memory.cursor());
    if (steps.length === 5) log.append('task_1', output(500), END);
    await turn();
  }
  const strides = steps.map((position, index) => position - (steps[index - 1] ?? 0));
  expect(Math.max(...strides)).toBeLessThanOrEqual(AT_ONCE);
  await workspace.current('task_1');
  await workspace.close();
  expect(messagesOf('task_1')).toEqual([...numbers(501), 'Cancelled by me.']);
  expect(messagesOf('task_2')).toEqual(numbers(500));
});

it('closes on the way, and the next process goes on there', async () => {
  fill();
  const first = manager();
  first.start();
  await turn();
  await first.close();
  const reached = memory.cursor();
  expect(reached).toBeGreaterThan(0);
  expect(reached).toBeLessThanOrEqual(2 * AT_ONCE);
  await turn();
  expect(memory.cursor()).toBe(reached);

  const second = manager();
  second.start();
  await second.current('task_1');
  await second.close();
  expect([messagesOf('task_1'), messagesOf('task_2')]).toEqual([numbers(500), numbers(500)]);
});

it('makes no block of a task that is removed on the way', async () => {
  fill();
  log.append('task_1', END);
  const workspace = manager();
  workspace.start();
  await turn();
  expect(memory.cursor()).toBeLessThan(500);
  const removals = new SqliteTaskRemovals(database);
  removals.hide('task_1');
  while (!removals.remove('task_1', 100)) await turn();
  await workspace.current('task_2');
  await workspace.close();
  expect([messagesOf('task_1'), messagesOf('task_2')]).toEqual([undefined, numbers(500)]);
});
