import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { Delivery } from '../../src/notifications/delivery.ts';
import { TaskDelivery } from '../../src/notifications/task-delivery.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { ManualClock, settled } from '../support/clock.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';
import { RecordingSink } from './recording-sink.ts';

const TASKS = 1_500;
const HOUR = 3_600_000;
const ids = Array.from({ length: TASKS }, (_, n) => `task_${String(n).padStart(5, '0')}`);

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
let log: EventLog;
let clock: ManualClock;
let sink: RecordingSink;
let delivery: Delivery;

beforeEach(async () => {
  folder = await tempDir('many-deliveries-');
  clock = new ManualClock();
  open();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await closed();
  log.store.close();
  await folder.remove();
});

function open(): void {
  database = openDatabase(folder.path);
  log = new EventLog(new SqliteTaskStore(database), clock.now);
  sink = new RecordingSink();
  const logger = createLogger('silent');
  const store = new SqliteDeliveryStore(database, sink.name);
  delivery = new Delivery({ sink, log, store, maxAgeMs: HOUR, logger, clock, random: () => 1 });
}

async function closed(): Promise<void> {
  const done = delivery.close();
  await clock.advance(3_000);
  await done;
}

/** A sink that is down, and as many tasks that are to be told to it. */
async function pileUp(): Promise<void> {
  sink.answer = () => {
    throw new Error('down');
  };
  delivery.start();
  database.exec('PRAGMA synchronous = OFF');
  for (const id of ids) log.create(id, created(), 'print');
  while (sink.calls.length < TASKS) await settled();
  await settled();
}

/** The reads of a property of the deliveries. */
function counting(what: 'missing' | 'failing') {
  return vi.spyOn(TaskDelivery.prototype, what, 'get').mock.calls;
}

it('health looks through many deliveries once a second at most, however often it is asked', async () => {
  await pileUp();
  await clock.advance(1_000);
  const looks = counting('missing');
  const detail = () => delivery.health().detail;
  const first = detail();
  expect(first).toBe(`1500 event(s) of 1500 task(s) behind, by 1 s; 1500 failing, last error: down`);
  const { length } = looks;
  expect(length).toBeGreaterThan(0);
  for (let n = 0; n < 100; n += 1) expect(detail()).toBe(first);
  expect(looks).toHaveLength(length);
  await clock.advance(999);
  expect(detail()).toBe(first);
  await clock.advance(1);
  expect(detail()).toMatch(/behind, by 2 s/);
});

it('a delivery that fails does not look through those of all other tasks', async () => {
  const looks = [counting('missing'), counting('failing')];
  await pileUp();
  expect(looks.flat().length).toBeLessThan(20 * TASKS);
});

it('a start resumes many deliveries in steps, none of them twice', async () => {
  await pileUp();
  await closed();
  log.store.close();
  open();
  const taken = vi.spyOn(TaskDelivery.prototype, 'resume').mock.calls;
  delivery.start();
  const steps: number[] = [];
  while (taken.length < TASKS) {
    steps.push(taken.length);
    if (steps.length === 3) log.append(ids[0] ?? '', { kind: 'cancelled', by: 'me' });
    await new Promise(setImmediate);
  }
  const strides = [...steps, TASKS].map((reached, index) => reached - (steps[index - 1] ?? 0));
  expect(Math.max(...strides)).toBeLessThanOrEqual(100);
  await clock.advance(10_000);
  expect(taken).toHaveLength(TASKS);
  for (const id of ids) expect(sink.taken.get(id)).toEqual(id === ids[0] ? [1, 2] : [1]);
  expect(delivery.health().detail).toBe('up to date');
});

it('closes while it resumes many deliveries, and the next process resumes all of them', async () => {
  await pileUp();
  await closed();
  log.store.close();
  open();
  delivery.start();
  await closed();
  expect(clock.pending).toBe(0);
  expect(sink.taken.size).toBeLessThan(TASKS);
  log.store.close();
  open();
  delivery.start();
  while (sink.taken.size < TASKS && delivery.health().detail !== 'up to date') await clock.advance(1_000);
  await clock.advance(10_000);
  expect(delivery.health().detail).toBe('up to date');
  const rows = database.prepare('SELECT min(seq) AS least, count(*) AS n FROM deliveries').get();
  expect(rows).toEqual({ least: 1, n: TASKS });
});
