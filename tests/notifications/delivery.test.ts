import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeliveryError } from '../../src/delivery-error.ts';
import { createLogger } from '../../src/logger.ts';
import { Delivery, type DeliveryOptions } from '../../src/notifications/delivery.ts';
import type { Ack } from '../../src/notifications/sink.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { ManualClock, settled } from '../support/clock.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';
import { RecordingSink } from './recording-sink.ts';

const STARTED: TaskEventBody = { kind: 'started' };
const END: TaskEventBody = { kind: 'cancelled', by: 'me' };
const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `${n}`,
});
const outputs = (count: number) => Array.from({ length: count }, (_, n) => output(n));
const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);
const HOUR = 3_600_000;

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
let log: EventLog;
let clock: ManualClock;
let sink: RecordingSink;
let delivery: Delivery;

beforeEach(async () => {
  folder = await tempDir('delivery-');
  clock = new ManualClock();
  open();
});

afterEach(async () => {
  await closed(delivery);
  log.store.close();
  await folder.remove();
});

function open(): void {
  database = openDatabase(folder.path);
  log = new EventLog(new SqliteTaskStore(database), clock.now);
  sink = new RecordingSink();
  delivery = make();
}

function make(options: Partial<DeliveryOptions> = {}): Delivery {
  const logger = createLogger('silent');
  const store = new SqliteDeliveryStore(database, sink.name);
  return new Delivery({ sink, log, store, maxAgeMs: HOUR, logger, clock, random: () => 1, ...options });
}

/** Closes, and lets the time pass that calls under way have then. */
async function closed(closing: Delivery): Promise<void> {
  const done = closing.close();
  await clock.advance(3_000);
  await done;
}

/** The bridge ends and starts again. */
async function restart(): Promise<void> {
  await closed(delivery);
  log.store.close();
  open();
}

/** Starts the delivery, then a task. */
async function begin(taskId = 'task_1', ...events: TaskEventBody[]): Promise<void> {
  log.create(taskId, created(), 'print');
  if (events.length > 0) log.append(taskId, ...events);
  await settled();
}

/** When each call came, in seconds since the first. */
function timed(): number[] {
  const times: number[] = [];
  const { answer } = sink;
  sink.answer = (batch) => {
    times.push(clock.now());
    return answer(batch);
  };
  return new Proxy(times, {
    get: (at, key) =>
      Reflect.get(
        at.map((ms) => (ms - (at[0] ?? 0)) / 1_000),
        key,
      ),
  });
}

describe('what is delivered', () => {
  it('is every event of a task, in order and by pages', async () => {
    delivery.start();
    await begin('task_1', STARTED, ...outputs(1_200), END);
    await clock.advance(60_000);
    expect(sink.taken.get('task_1')).toEqual(upTo(1_203));
    expect(sink.calls.length).toBeGreaterThan(2);
    const lag = { events: 0, tasks: 0 };
    expect(delivery.health()).toEqual({ name: 'recorder', status: 'ok', detail: 'up to date', lag });
  });

  it('begins, for a sink that is new, with tasks that are created from then on', async () => {
    await begin('task_1', STARTED);
    delivery.start();
    await begin('task_2', STARTED, END);
    log.append('task_1', output(1), END);
    await clock.advance(60_000);
    expect([...sink.taken.keys()]).toEqual(['task_2']);
  });

  it('begins, for a sink that was off for long, with tasks that are not too old', async () => {
    delivery.start();
    await begin('task_1', STARTED);
    await restart();
    for (let n = 1; n <= 3; n += 1) await begin(`task_old${n}`, STARTED, END);
    await clock.advance(2 * HOUR);
    await begin('task_new', STARTED, END);
    delivery.start();
    await clock.advance(60_000);
    expect([...sink.taken.keys()]).toEqual(['task_new']);
    expect(delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date' });
  });

  it('is what happened while the bridge was down, too', async () => {
    delivery.start();
    await begin('task_1', STARTED);
    await restart();
    log.append('task_1', ...outputs(3), END);
    await begin('task_2', STARTED);
    delivery.start();
    await clock.advance(60_000);
    expect(sink.taken).toEqual(
      new Map([
        ['task_1', upTo(6, 3)],
        ['task_2', [1, 2]],
      ]),
    );
  });

  it('is nothing twice after a restart, nor of a task that is settled', async () => {
    delivery.start();
    sink.answer = ({ task }) => ({ settled: task.id === 'task_2' });
    await begin('task_1', STARTED, END);
    await begin('task_2', STARTED);
    expect(sink.callsOf('task_2')).toHaveLength(1);
    await restart();
    delivery.start();
    log.append('task_2', output(1), END);
    await clock.advance(60_000);
    expect(sink.calls).toEqual([]);
  });

  it('waits for its pace, but not what is urgent', async () => {
    const times = timed();
    delivery.start();
    await begin('task_1', STARTED);
    for (let second = 1; second <= 7; second += 1) {
      await clock.advance(1_000);
      log.append('task_1', output(second));
    }
    await clock.advance(1_000);
    log.append('task_1', END);
    await clock.advance(60_000);
    expect([...times]).toEqual([0, 5, 8]);
    expect(sink.taken.get('task_1')).toEqual(upTo(10));
  });

  it('may stop short: the rest comes again', async () => {
    sink.answer = ({ events }) => ({ upTo: events[0]?.seq });
    delivery.start();
    await begin('task_1', STARTED, END);
    expect(sink.calls.map(({ events }) => events.map(({ seq }) => seq))).toEqual([[1, 2, 3], [2, 3], [3]]);
  });
});

describe('a sink that fails', () => {
  it('is called again after 1 s, then after twice as long, up to a minute', async () => {
    sink.answer = () => {
      throw new Error('down');
    };
    const times = timed();
    delivery.start();
    await begin();
    await clock.advance(250_000);
    expect([...times]).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    expect(delivery.health()).toEqual({
      name: 'recorder',
      status: 'degraded',
      detail: '1 event(s) of 1 task(s) behind, by 250 s; 1 failing, last error: down',
      lag: { events: 1, tasks: 1, oldest_ms: 250_000 },
    });
    sink.answer = () => ({});
    log.append('task_1', END);
    await clock.advance(60_000);
    expect(sink.taken.get('task_1')).toEqual([1, 2]);
    expect(delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date' });
  });

  it('is not called again by several tasks at the same moment', async () => {
    const waits = [0, 0.5, 1];
    delivery = make({ random: () => waits.shift() ?? 0 });
    sink.answer = () => {
      throw new Error('down');
    };
    delivery.start();
    for (const id of ['task_1', 'task_2', 'task_3']) await begin(id);
    const reached: number[] = [];
    for (let quarter = 1; quarter <= 4; quarter += 1) {
      await clock.advance(250);
      reached.push(sink.calls.length);
    }
    expect(reached).toEqual([3, 4, 5, 6]);
  });

  it('is left alone for as long as it asks, urgent or not', async () => {
    sink.answer = () => {
      throw new DeliveryError('too many', { retryAfterMs: 45_000 });
    };
    const times = timed();
    delivery.start();
    await begin();
    log.append('task_1', STARTED);
    await clock.advance(100_000);
    expect([...times]).toEqual([0, 45, 90]);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['answers garbage', () => ({ upTo: 'all' }), /the sink answered \{"upTo":"all"\}/],
    ['answers nothing', () => undefined, /the sink answered/],
    ['takes what is not there', () => ({ upTo: 7 }), /the sink answered upTo 7/],
    ['takes nothing', () => ({ upTo: 0 }), /the sink answered upTo 0/],
    ['never answers', () => new Promise(() => {}), /no answer within 30 s/],
  ])('is called again where it %s', async (_, answer, says) => {
    sink.answer = answer as () => Ack;
    delivery.start();
    await begin();
    await clock.advance(30_000);
    expect(delivery.health().detail).toMatch(says);
    sink.answer = () => ({});
    await clock.advance(120_000);
    expect(sink.callsOf('task_1').at(-1)?.events).toMatchObject([{ seq: 1 }]);
    expect(delivery.health().detail).toBe('up to date');
  });

  it('is called again where it throws at once', async () => {
    const { deliver } = sink;
    sink.deliver = () => {
      throw new Error('at once');
    };
    delivery.start();
    await begin();
    expect(delivery.health().detail).toMatch(/last error: at once/);
    sink.deliver = deliver;
    await clock.advance(2_000);
    expect(sink.taken.get('task_1')).toEqual([1]);
  });

  it('is not called again for a task that it refused for good', async () => {
    sink.answer = () => {
      throw new DeliveryError('no such agent', { final: true });
    };
    delivery.start();
    await begin('task_1', STARTED);
    log.append('task_1', END);
    await clock.advance(HOUR);
    expect(sink.calls).toHaveLength(1);
    expect(delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date; given up: 1' });
  });

  it('holds up no other task, however many of its calls hang', async () => {
    delivery = make({ maxCalls: 4 });
    sink.answer = ({ task }) => (task.id === 'task_9' ? {} : new Promise(() => {}));
    delivery.start();
    for (let n = 1; n <= 3; n += 1) await begin(`task_${n}`);
    await begin('task_9', STARTED, END);
    expect(sink.taken.get('task_9')).toEqual([1, 2, 3]);
  });

  it('has no more than so many calls at once, each of another task', async () => {
    delivery = make({ maxCalls: 4 });
    let now = 0;
    let most = 0;
    sink.answer = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now -= 1;
      return {};
    };
    delivery.start();
    const begun = Array.from({ length: 20 }, (_, n) => begin(`task_${n}`, STARTED, END));
    await Promise.all(begun);
    await clock.advance(10_000);
    expect(most).toBe(4);
    expect([...sink.taken.values()].every((seqs) => seqs.join() === '1,2,3')).toBe(true);
  });
});

describe('giving up', () => {
  it('skips what is too old, counts it, and lets the sink put its side in order', async () => {
    let down = true;
    sink.answer = () => {
      if (down) throw new Error('down');
      return {};
    };
    delivery.start();
    await begin('task_1', STARTED);
    await clock.advance(HOUR + 120_000);
    expect(delivery.health().detail).toMatch(/^up to date; 1 failing.*; given up: 1$/);
    down = false;
    await clock.advance(60_000);
    expect(sink.callsOf('task_1').at(-1)?.events).toEqual([]);
    log.append('task_1', END);
    await clock.advance(60_000);
    expect(sink.taken.get('task_1')).toEqual([3]);
    expect(delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date; given up: 1' });
    await restart();
    delivery.start();
    expect(delivery.health().detail).toBe('up to date; given up: 1');
  });

  it('ends with a task that has ended, for ever', async () => {
    sink.answer = () => {
      throw new Error('down');
    };
    delivery.start();
    await begin('task_1', END);
    await clock.advance(3 * HOUR);
    const { length } = sink.calls;
    await clock.advance(3 * HOUR);
    expect(sink.calls).toHaveLength(length);
    expect(delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date; given up: 2' });
  });
});

describe('a sink that wants to be called again', () => {
  it('is, at that time, and after a restart too', async () => {
    const at = clock.now() + 60_000;
    sink.answer = ({ events }) => (events.length > 0 ? { againAt: at } : { settled: true });
    delivery.start();
    await begin('task_1', STARTED, END);
    await clock.advance(30_000);
    expect(sink.calls).toHaveLength(1);
    await restart();
    const times: number[] = [];
    sink.answer = () => {
      times.push(clock.now());
      return { settled: true };
    };
    delivery.start();
    await clock.advance(60_000);
    expect(times).toEqual([at]);
    expect(sink.calls[0]?.events).toEqual([]);
  });

  it('does not get all the time there is', async () => {
    sink.answer = () => ({ againAt: 0 });
    delivery.start();
    await begin();
    await clock.advance(1_000);
    expect(sink.calls.length).toBeLessThanOrEqual(11);
  });
});

describe('what a sink keeps for a task', () => {
  it('is there at the next call and after a restart, also where the call failed', async () => {
    sink.answer = ({ save }) => {
      save({ block: 7 });
      throw new Error('later');
    };
    delivery.start();
    await begin();
    expect(sink.calls[0]?.state).toBeNull();
    await restart();
    delivery.start();
    await settled();
    expect(sink.calls[0]?.state).toEqual({ block: 7 });
  });

  it('is not stored by a call that was given up', async () => {
    let late: (() => void) | undefined;
    sink.answer = ({ save }) => {
      late ??= () => save({ late: true });
      return new Promise(() => {});
    };
    delivery.start();
    await begin();
    await clock.advance(30_000);
    expect(sink.calls[0]?.signal.aborted).toBe(true);
    expect(late).toThrow(/the call has ended/);
  });
});

it('a bridge that stops lets a call under way end, and cuts off one that does not', async () => {
  const answer = Promise.withResolvers<Ack>();
  sink.answer = ({ task }) => (task.id === 'task_1' ? answer.promise : new Promise(() => {}));
  delivery.start();
  await begin('task_1');
  await begin('task_2');
  const closing = delivery.close();
  answer.resolve({});
  await clock.advance(3_000);
  await closing;
  expect(sink.callsOf('task_2')[0]?.signal.aborted).toBe(true);
  log.store.close();
  open();
  delivery.start();
  await settled();
  expect(sink.calls.map(({ task }) => task.id)).toEqual(['task_2']);
});

it('a task that is removed is forgotten', async () => {
  delivery.start();
  await begin('task_1', END);
  const removals = new SqliteTaskRemovals(database);
  removals.hide('task_1');
  expect(removals.remove('task_1', 100)).toBe(true);
  expect(database.prepare('SELECT count(*) AS n FROM deliveries').get()).toEqual({ n: 0 });
});

it.each(['at once', 'after a restart'])(
  'a task that its owner removes while the sink is down still ends there, %s',
  async (when) => {
    const down = () => {
      throw new DeliveryError('down');
    };
    sink.answer = down;
    delivery.start();
    await begin('task_1', END);
    const removals = new SqliteTaskRemovals(database);
    removals.hide('task_1');
    expect(removals.hasOpenDeliveries('task_1')).toBe(true);
    if (when === 'after a restart') {
      await restart();
      delivery.start();
    }
    sink.answer = () => ({});
    await clock.advance(120_000);
    expect(sink.taken.get('task_1')).toEqual([1, 2]);
    expect(new SqliteTaskRemovals(database).hasOpenDeliveries('task_1')).toBe(false);
  },
);

it('a database that fails ends the delivery, not the bridge', async () => {
  sink.answer = ({ save }) => {
    database.exec('DROP TABLE deliveries');
    save({});
    return {};
  };
  delivery.start();
  await begin();
  expect(delivery.health()).toMatchObject({
    status: 'degraded',
    detail: expect.stringMatching(/stopped: no such table/),
  });
  expect(log.append('task_1', STARTED)).toHaveLength(1);
});
