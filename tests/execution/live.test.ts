import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { LiveFrame } from '../../src/tasks/live-frame.ts';
import { isLive } from '../../src/tasks/live-frame.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { bash, slowly, subagent } from '../support/steps.ts';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge();
  await bridge.run([{ text: 'warm' }]);
});
afterAll(() => bridge.close());

type Item = TaskEvent | LiveFrame;

/** Everything that a follower gets, until the task ends. */
function follow(task: Task, afterSeq = 0, signal = new AbortController().signal) {
  const items: Item[] = [];
  const ended = (async () => {
    for await (const item of bridge.execution.followLive(task, afterSeq, signal)) items.push(item);
  })();
  const frames = (): LiveFrame[] => items.filter(isLive);
  return { items, ended, frames };
}

const textOf = (frames: readonly LiveFrame[]): string => frames.map(({ text }) => text).join('');

it('shows the text while the model writes it', async () => {
  const task = await bridge.start([slowly('hello world ', 800)]);
  const { items, ended, frames } = follow(task);
  await vi.waitUntil(() => frames().length >= 2);
  expect(bridge.events(task).some(({ kind }) => kind === 'output')).toBe(false);
  await ended;
  const finished = items.findIndex((item) => !isLive(item) && item.kind === 'output');
  expect(items.findLastIndex(isLive)).toBeLessThan(finished);
  expect(items[finished]).toMatchObject({ text: textOf(frames()), part_id: frames()[0]?.part });
  expect(frames().every(({ kind, gap, reset, child }) => kind === 'text' && !gap && !reset && !child)).toBe(
    true,
  );
});

it('shows the output of a command line by line', async () => {
  const task = await bridge.start([bash('for i in 1 2 3; do echo $i; sleep 0.3; done'), { text: 'ok' }]);
  const { items, ended, frames } = follow(task);
  await ended;
  const output = frames().filter(({ kind }) => kind === 'tool_output');
  expect(output.map(({ text }) => text)).toEqual(['1\n', '2\n', '3\n']);
  const kinds = items.map((item) =>
    isLive(item) ? item.kind : item.kind === 'tool' ? item.phase : item.kind,
  );
  expect(kinds.indexOf('started', 1)).toBeLessThan(kinds.indexOf('tool_output'));
  expect(kinds.lastIndexOf('tool_output')).toBeLessThan(kinds.indexOf('finished'));
});

it('marks the text of a subagent', async () => {
  const task = await bridge.start([subagent([slowly('child words ', 400)]), slowly('parent words ', 300)]);
  const { ended, frames } = follow(task);
  await ended;
  const [child, own] = [true, undefined].map((mark) => frames().filter((frame) => frame.child === mark));
  expect(textOf(child ?? [])).toMatch(/^(child words )+/);
  expect(textOf(own ?? [])).toMatch(/^(parent words )+/);
});
