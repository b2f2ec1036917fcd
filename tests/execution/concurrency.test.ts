import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, write } from '../support/steps.ts';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine(), limits: { maxConcurrent: 10 } });
});
afterAll(() => bridge.close());

it.each([2, 10])(
  'runs %i tasks at once, each in its own directory',
  async (count) => {
    const numbers = Array.from({ length: count }, (_, index) => index);
    const tasks = await Promise.all(
      numbers.map((n) =>
        bridge.start([write('n.txt', `${n}\n`), bash('cat n.txt n.txt > twice.txt'), { text: `done ${n}` }], {
          agentId: `agent ${count} ${n % 5}`,
          timeoutMs: 120_000,
          fresh: true,
        }),
      ),
    );
    const ended = await Promise.all(tasks.map((task) => bridge.end(task)));
    for (const [n, task] of ended.entries()) {
      expect(task).toMatchObject({
        status: 'completed',
        result: {
          summary: `done ${n}`,
          files_changed: [
            { path: 'n.txt', change: 'added' },
            { path: 'twice.txt', change: 'added' },
          ],
        },
        usage: { input_tokens: 300 },
      });
      expect(await readFile(join(task.directory, 'twice.txt'), 'utf8')).toBe(`${n}\n${n}\n`);
    }
    expect(new Set(ended.map(({ directory }) => directory)).size).toBe(count);
    for (const agent of [0, 1]) {
      const { tasks: own } = await bridge.execution.list({ agentId: `agent ${count} ${agent}`, limit: 100 });
      const expected = tasks.filter((_, n) => n % 5 === agent).map(({ id }) => id);
      expect(own.map(({ id }) => id).sort()).toEqual(expected.sort());
    }
    const [first] = tasks;
    await expect(bridge.execution.find('agent 2 1', first?.id ?? '')).rejects.toThrow(/has no task/);
  },
  180_000,
);

it('runs 50 tasks, ten at a time, in ten folders', async () => {
  const ten = Array.from({ length: 10 }, () => bridge.run([{ text: 'warm' }], { fresh: true }));
  const folders = (await Promise.all(ten)).map(({ directory }) => directory);
  const tasks = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      bridge.start(
        [write(`${n}.txt`, `${n}\n`), bash(`cat ${n}.txt ${n}.txt > twice-${n}.txt`), { text: `done ${n}` }],
        {
          directory: folders[n % 10] ?? '',
          timeoutMs: 120_000,
        },
      ),
    ),
  );
  const ended = await Promise.all(tasks.map((task) => bridge.end(task)));
  for (const [n, task] of ended.entries()) {
    expect(task).toMatchObject({
      status: 'completed',
      result: { summary: `done ${n}` },
      usage: { input_tokens: 300 },
    });
    const events = JSON.stringify(bridge.events(task), undefined, 1);
    expect(await readdir(task.directory), events).toContain(`twice-${n}.txt`);
    expect(await readFile(join(task.directory, `twice-${n}.txt`), 'utf8')).toBe(`${n}\n${n}\n`);
  }
});

it('never runs more at once than it may', async () => {
  await using narrow = await startBridge({ on: bridge, limits: { maxConcurrent: 2 } });
  const { directory } = await narrow.run([{ text: 'warm' }]);
  const tasks = await Promise.all(
    Array.from({ length: 6 }, () => narrow.start([bash('sleep 0.2'), { text: 'ok' }], { directory })),
  );
  const ended = await Promise.all(tasks.map((task) => narrow.end(task)));
  const steps = ended
    .flatMap(({ startedAt = 0, endedAt = 0 }) => [
      { at: startedAt, by: 1 },
      { at: endedAt, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by);
  let running = 0;
  for (const { by } of steps) {
    running += by;
    expect(running).toBeLessThanOrEqual(2);
  }
});

it('runs several in one directory at once', async () => {
  const first = await bridge.run([{ text: 'x' }]);
  const { directory } = first;
  const tasks = await Promise.all(
    [1, 2, 3].map((n) => bridge.start([bash(`echo ${n} > ${n}.txt`), { text: `done ${n}` }], { directory })),
  );
  const ended = await Promise.all(tasks.map((task) => bridge.end(task)));
  expect(ended.map(({ result }) => result?.summary)).toEqual(['done 1', 'done 2', 'done 3']);
});
