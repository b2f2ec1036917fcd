import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ExecutionManager } from '../../src/execution/execution-manager.ts';
import { type FollowItem, isLive, type LiveFrame } from '../../src/tasks/live-frame.ts';
import type { Task } from '../../src/tasks/task.ts';
import { TaskFiles } from '../../src/workspaces/task-files.ts';
import { type Bridge, logger, startBridge } from '../support/bridge.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly, subagent } from '../support/steps.ts';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine() });
  await bridge.run([{ text: 'warm' }]);
});
afterAll(() => bridge.close());

/** Everything that a follower gets, until the task ends. */
function follow(
  task: Task,
  afterSeq = 0,
  signal = new AbortController().signal,
  of: Pick<Bridge, 'execution'> = bridge,
) {
  const items: FollowItem[] = [];
  const ended = (async () => {
    for await (const item of of.execution.followLive(task, afterSeq, signal)) items.push(item);
  })();
  const frames = (): LiveFrame[] => items.filter(isLive);
  return { items, ended, frames };
}

const untilShown = (frames: () => LiveFrame[], count: number) =>
  vi.waitUntil(() => frames().length >= count, { timeout: 60_000 });
const textOf = (frames: readonly LiveFrame[]): string => frames.map(({ text }) => text).join('');

it('shows the text while the model writes it', async () => {
  const task = await bridge.start([{ text: 'hello world', chunks: 4, hang: 'mid' }]);
  const { items, ended, frames } = follow(task);
  await vi.waitUntil(() => textOf(frames()) === 'hello ', { timeout: 60_000 });
  expect(items.filter((item) => !isLive(item) && item.kind === 'output')).toEqual([]);
  await bridge.execution.cancel(task, 'me', undefined);
  await ended;
});

it('shows no text of a part behind the event that finishes it', async () => {
  const task = await bridge.start([slowly('hello world ', 600)]);
  const { items, ended, frames } = follow(task);
  await ended;
  const finished = items.findIndex((item) => !isLive(item) && item.kind === 'output');
  expect(items.findLastIndex(isLive)).toBeLessThan(finished);
  const whole = items[finished];
  if (!whole || isLive(whole) || whole.kind !== 'output') throw new Error('no output');
  expect(whole.text.startsWith(textOf(frames()))).toBe(true);
  expect(frames().every(({ part }) => part === whole.part_id)).toBe(true);
  expect(frames().every(({ kind, gap, reset, child }) => kind === 'text' && !gap && !reset && !child)).toBe(
    true,
  );
});

it('shows the output of a command line by line', async () => {
  const command = 'for i in 1 2 3; do echo $i; until [ -e seen-$i ]; do sleep 0.02; done; done';
  const task = await bridge.start([bash(command), { text: 'ok' }]);
  const { items, ended, frames } = follow(task);
  const output = () => frames().filter(({ kind }) => kind === 'tool_output');
  for (const line of [1, 2, 3]) {
    await vi.waitUntil(() => output().some(({ text }) => text === `${line}\n`), { timeout: 60_000 });
    await writeFile(join(task.directory, `seen-${line}`), '');
  }
  await ended;
  expect(output().map(({ text }) => text)).toEqual(['1\n', '2\n', '3\n']);
  const kinds = items.map((item) =>
    isLive(item) ? item.kind : item.kind === 'tool' ? item.phase : item.kind,
  );
  expect(kinds.indexOf('started', 2)).toBeLessThan(kinds.indexOf('tool_output'));
  expect(kinds.lastIndexOf('tool_output')).toBeLessThan(kinds.indexOf('finished'));
});

it('marks the text of a subagent', async () => {
  const task = await bridge.start([subagent([slowly('child words ', 400)]), slowly('parent words ', 300)]);
  const { ended, frames } = follow(task);
  await ended;
  const [child, own] = [true, undefined].map((mark) => frames().filter((frame) => frame.child === mark));
  expect(textOf(child ?? [])).toMatch(/^(child words )+/);
  expect('parent words '.repeat(10).startsWith(textOf(own ?? []))).toBe(true);
});

it('shows nothing of what the model thinks, and keeps characters whole that come in halves', async () => {
  const text = '😀 👩‍💻 ü '.repeat(20);
  const task = await bridge.start([{ reasoning: 'a secret thought', text, chunks: 131, delayMs: 5 }]);
  const { items, ended, frames } = follow(task);
  await ended;
  expect(frames().every((frame) => frame.text.isWellFormed())).toBe(true);
  expect(text.startsWith(textOf(frames()))).toBe(true);
  expect(items).toContainEqual(expect.objectContaining({ kind: 'output', text }));
});

it('goes on with an output of which OpenCode shows only the end', async () => {
  const command = 'for i in $(seq 0 9); do seq $((i * 1000)) $((i * 1000 + 999)); sleep 0.1; done';
  const task = await bridge.start([bash(command), { text: 'ok' }]);
  const { ended, frames } = follow(task);
  await ended;
  const output = frames().filter(({ kind }) => kind === 'tool_output');
  const printed = Array.from({ length: 10_000 }, (_, n) => `${n}\n`).join('');
  expect(output.filter(({ gap, reset }) => gap || reset)).toEqual([]);
  expect(textOf(output)).toBe(printed);
});

it('a follower that comes later gets what comes later', async () => {
  const task = await bridge.start([slowly('hello world ', 30_000)]);
  const early = follow(task);
  await untilShown(early.frames, 1);
  const late = follow(task, bridge.now(task).lastSeq);
  await untilShown(late.frames, 2);
  await bridge.execution.cancel(task, 'me', undefined);
  await Promise.all([early.ended, late.ended]);
  expect(late.frames().map(({ gap = false }) => gap)).toEqual(late.frames().map((_, n) => n === 0));
  const [whole, later] = [textOf(early.frames()), textOf(late.frames())];
  expect(whole.endsWith(later)).toBe(true);
  expect(later.length).toBeLessThan(whole.length);
  const after = follow(task);
  await after.ended;
  expect(after.items).toEqual(bridge.events(task));
});

it('ends with a cancelled task, and when its follower wants no more', async () => {
  const task = await bridge.start([slowly('hello world ', 20_000)]);
  const all = follow(task);
  const stop = new AbortController();
  const some = follow(task, 0, stop.signal);
  await untilShown(some.frames, 2);
  stop.abort();
  await some.ended;
  await bridge.execution.cancel(task, 'me', undefined);
  await all.ended;
  expect(all.items.at(-1)).toMatchObject({ kind: 'cancelled' });
});

it('a follower that does not read costs the task nothing, and no memory', async () => {
  const task = await bridge.start([bash('seq 1 2000000'), slowly('hello world ', 400)]);
  const stuck = bridge.execution.followLive(task, 0, new AbortController().signal);
  await stuck.next();
  expect(await bridge.end(task)).toMatchObject({ status: 'completed' });
  const rest: FollowItem[] = [];
  for await (const item of stuck) rest.push(item);
  const frames = rest.filter(isLive);
  expect(textOf(frames).length).toBeLessThanOrEqual(65_536);
  expect(rest.filter((item) => !isLive(item))).toEqual(bridge.events(task).slice(1));
});

it('says where a cut of the event stream lost text', async () => {
  const { url, username, password } = bridge.endpoint;
  const proxy = await startFaultyProxy(url);
  try {
    await using other = await startBridge({
      on: { endpoint: { url: proxy.url, username, password }, model: bridge.model },
    });
    const task = await other.start([slowly('hello world ', 30_000)]);
    const { ended, frames } = follow(task, 0, undefined, other);
    await untilShown(frames, 1);
    proxy.cut();
    await vi.waitUntil(() => frames().some(({ gap }) => gap), { timeout: 60_000 });
    const [part, ...more] = new Set(frames().map((frame) => frame.part));
    expect(part).toMatch(/^prt_/);
    expect(more).toEqual([]);
    await other.execution.cancel(task, 'me', undefined);
    await ended;
  } finally {
    await proxy.close();
  }
});

it('goes on with the part that is being written when a bridge resumes the task', async () => {
  const { endpoint, model, root } = bridge;
  await using first = await startBridge({ on: { endpoint, model } });
  const task = await first.start([slowly('hello world ', 30_000)]);
  const before = follow(task, 0, undefined, first);
  await untilShown(before.frames, 1);
  await first.execution.close(0);
  const { runner, log } = first;
  const files = new TaskFiles({
    ...{
      workspaceDir: first.workspaceDir,
      roots: [root],
      snapshotsDir: join(first.root, 'data', 'snapshots'),
    },
    ...{ maxFileSize: 1_000, env: { PATH: process.env.PATH }, logger },
  });
  const next = new ExecutionManager({
    ...{ runner, log, files, logger },
    limits: {
      ...{ maxConcurrent: 1, maxQueued: 1, maxDescriptionLength: 10_000 },
      ...{ defaultTimeoutMs: 60_000, maxTimeoutMs: 60_000 },
    },
    requests: { policy: 'ask', outside: 'reject', timeoutMs: 30_000 },
    recovery: { policy: 'continue', max: 2 },
    removal: { remove: () => Promise.reject(new Error('nothing is removed here')) },
  });
  await next.recover();
  const after = follow(task, 0, undefined, { execution: next });
  await untilShown(after.frames, 2);
  const [frame, second] = after.frames();
  expect(frame).toMatchObject({ part: before.frames()[0]?.part, gap: true });
  expect(second).not.toHaveProperty('gap');
  await next.cancel(task, 'me', undefined);
  await after.ended;
  await next.close(0);
});
