import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEvent, TaskEventBody } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';
import { created } from './created.ts';

let folder: Awaited<ReturnType<typeof tempDir>>;
let log: EventLog;

beforeEach(async () => {
  folder = await tempDir('log-');
  log = new EventLog(new SqliteTaskStore(openDatabase(folder.path)));
  log.create('task_1', created(), 'print');
});

afterEach(async () => {
  log.store.close();
  await folder.remove();
});

const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `p${n}`,
});
const END: TaskEventBody = { kind: 'cancelled', by: 'me' };

async function collect(events: AsyncIterable<TaskEvent>): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { seq } of events) seqs.push(seq);
  return seqs;
}

/** How far something gets between two turns of the event loop, until it has got to `end`. */
async function stridesOf(reached: () => number, end: number): Promise<number[]> {
  const steps = [reached()];
  while (reached() < end) {
    await new Promise(setImmediate);
    steps.push(reached());
  }
  return steps.map((step, index) => step - (steps[index - 1] ?? 0));
}

const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);

describe('follow', () => {
  it('gives stored events, then live ones, without gap or repeat, and ends with the task', async () => {
    log.append('task_1', output(2), output(3));
    const early = collect(log.follow('task_1', 0));
    const late = collect(log.follow('task_1', 2));
    for (let n = 4; n <= 700; n += 1) {
      log.append('task_1', output(n));
      if (n % 50 === 0) await new Promise(setImmediate);
    }
    log.append('task_1', END);
    expect(await early).toEqual(upTo(701));
    expect(await late).toEqual(upTo(701, 3));
    expect(await collect(log.follow('task_1', 690))).toEqual(upTo(701, 691));
  });

  it('lets a slow follower read at its own pace', async () => {
    const slow: number[] = [];
    const reading = (async () => {
      for await (const { seq } of log.follow('task_1', 0)) {
        slow.push(seq);
        await new Promise(setImmediate);
      }
    })();
    for (let n = 2; n <= 600; n += 1) log.append('task_1', output(n));
    log.append('task_1', END);
    await reading;
    expect(slow).toEqual(upTo(601));
  });

  it('lets others have their turn on a long way to the end of the log', async () => {
    for (let n = 0; n < 5; n += 1) log.append('task_1', ...upTo(400).map(output));
    let read = 0;
    const reading = (async () => {
      for await (const _ of log.follow('task_1', 0)) read += 1;
    })();
    const strides = await stridesOf(() => read, 2_001);
    expect(Math.max(...strides)).toBeLessThanOrEqual(256);
    log.append('task_1', END);
    await reading;
    expect(read).toBe(2_002);
  });

  it('ends when its signal aborts, even while nothing happens', async () => {
    const stop = new AbortController();
    const reading = collect(log.follow('task_1', 0, stop.signal));
    await new Promise(setImmediate);
    stop.abort();
    expect(await reading).toEqual([1]);
  });

  it('ends at once for a task that has ended, or never was', async () => {
    log.append('task_1', END);
    expect(await collect(log.follow('task_1', 2))).toEqual([]);
    expect(await collect(log.follow('task_none', 0))).toEqual([]);
  });
});

describe('tail', () => {
  it('gives the events of all tasks in order from a position on, and ends with its signal', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    let position = 0;
    const reading = (async () => {
      for await (const page of log.tail(0, stop.signal)) {
        for (const { event } of page) seen.push(`${event.taskId}:${event.seq}`);
        position = page.at(-1)?.position ?? position;
        if (seen.length >= 4) stop.abort();
      }
    })();
    log.create('task_2', created(), 'print');
    log.append('task_1', output(2));
    log.append('task_2', output(2));
    await reading;
    expect(seen).toEqual(['task_1:1', 'task_2:1', 'task_1:2', 'task_2:2']);
    expect(log.store.eventsAfter(position, 10)).toEqual([]);
  });

  it('lets others have their turn on a long way to the end of the log', async () => {
    for (let n = 0; n < 5; n += 1) log.append('task_1', ...upTo(400).map(output));
    const stop = new AbortController();
    let read = 0;
    const reading = (async () => {
      for await (const page of log.tail(0, stop.signal, 50)) read += page.length;
    })();
    const strides = await stridesOf(() => read, 2_001);
    expect(Math.max(...strides)).toBe(50);
    stop.abort();
    await reading;
  });
});
