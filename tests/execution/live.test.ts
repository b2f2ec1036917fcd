import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type FollowItem, isLive, type LiveFrame } from '../../src/tasks/live-frame.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { bash, slowly, subagent } from '../support/steps.ts';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge();
  await bridge.run([{ text: 'warm' }]);
});
afterAll(() => bridge.close());

/** Everything that a follower gets, until the task ends. */
function follow(task: Task, afterSeq = 0, signal = new AbortController().signal, of = bridge) {
  const items: FollowItem[] = [];
  const ended = (async () => {
    for await (const item of of.execution.followLive(task, afterSeq, signal)) items.push(item);
  })();
  const frames = (): LiveFrame[] => items.filter(isLive);
  return { items, ended, frames };
}

const untilShown = (frames: () => LiveFrame[], count: number) =>
  vi.waitUntil(() => frames().length >= count, { timeout: 20_000 });
const textOf = (frames: readonly LiveFrame[]): string => frames.map(({ text }) => text).join('');

it('shows the text while the model writes it', async () => {
  const task = await bridge.start([slowly('hello world ', 1_500)]);
  const { items, ended, frames } = follow(task);
  await untilShown(frames, 2);
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

it('shows nothing of what the model thinks', async () => {
  const task = await bridge.start([
    { reasoning: 'a secret thought', text: 'an answer', chunks: 3, delayMs: 60 },
  ]);
  const { ended, frames } = follow(task);
  await ended;
  expect(textOf(frames())).toBe('an answer');
});

it('keeps characters whole that come in halves', async () => {
  const text = '😀 👩‍💻 ü '.repeat(20);
  const task = await bridge.start([{ text, chunks: 131, delayMs: 5 }]);
  const { items, ended, frames } = follow(task);
  await ended;
  expect(frames().every((frame) => frame.text.isWellFormed())).toBe(true);
  expect(items).toContainEqual(expect.objectContaining({ kind: 'output', text: textOf(frames()) }));
});

it('goes on with an output of which OpenCode shows only the end', async () => {
  const command = 'for i in $(seq 0 9); do seq $((i * 1000)) $((i * 1000 + 999)); sleep 0.2; done';
  const task = await bridge.start([bash(command), { text: 'ok' }]);
  const { ended, frames } = follow(task);
  await ended;
  const output = frames().filter(({ kind }) => kind === 'tool_output');
  const printed = Array.from({ length: 10_000 }, (_, n) => `${n}\n`).join('');
  expect(output.filter(({ gap, reset }) => gap || reset)).toEqual([]);
  expect(textOf(output)).toBe(printed);
});

it('a follower that comes later gets what comes later', async () => {
  const task = await bridge.start([slowly('hello world ', 1_200)]);
  const early = follow(task);
  await untilShown(early.frames, 3);
  const late = follow(task, bridge.now(task).lastSeq);
  await Promise.all([early.ended, late.ended]);
  const [first] = late.frames();
  expect(first).toMatchObject({ gap: true });
  const [whole, later] = [textOf(early.frames()), textOf(late.frames())];
  expect(whole.endsWith(later)).toBe(true);
  expect(later.length).toBeLessThan(whole.length);
  const after = follow(task);
  await after.ended;
  expect(after.items).toEqual(bridge.events(task));
});

it('a follower of one task gets nothing of another', async () => {
  const [one, other] = await Promise.all([
    bridge.start([slowly('one ', 500)]),
    bridge.start([slowly('other ', 500)]),
  ]);
  const { ended, frames } = follow(one);
  await Promise.all([ended, bridge.end(other)]);
  expect(textOf(frames())).toMatch(/^[one ]*$/);
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
    const task = await other.start([slowly('hello world ', 2_000), { text: 'ok' }]);
    const { items, ended, frames } = follow(task, 0, undefined, other);
    await untilShown(frames, 3);
    proxy.cut();
    await ended;
    const finished = items.findIndex((item) => !isLive(item) && item.kind === 'output');
    const { part = '' } = frames()[0] ?? {};
    expect(items[finished]).toMatchObject({ part_id: part });
    expect(items.findLastIndex((item) => isLive(item) && item.part === part)).toBeLessThan(finished);
    const { text: whole = '' } = { text: '', ...items[finished] };
    const runs: string[] = [];
    for (const { text, gap } of frames()) runs.push(gap ? text : (runs.pop() ?? '') + text);
    expect(runs).toHaveLength(2);
    for (const run of runs) expect(whole).toContain(run);
  } finally {
    await proxy.close();
  }
});
