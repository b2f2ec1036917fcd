import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly, write } from '../support/steps.ts';

const STEPS: Step[] = [
  write('n.txt', 'one\n'),
  bash('sleep 0.3; cat n.txt'),
  { ...slowly('bla ', 400), tools: [{ name: 'bash', args: { command: 'sleep 0.3', description: 'Wait' } }] },
  write('m.txt', 'two\n'),
  slowly('done ', 400),
];
const LONGEST_MS = 3_000;
const HTML = { status: 200, type: 'text/html; charset=utf-8', body: '<!doctype html><title>Sign in</title>' };
const RECORDS = /^\/(session\/(status|ses_\w+\/(message|children))|permission|question)(\?|$)/;

let owner: Bridge;
let quiet: unknown;
const lines: { bridge: Bridge; proxy: FaultyProxy }[] = [];

beforeAll(async () => {
  owner = await startBridge({ on: await sharedEngine() });
  quiet = await tell(owner, []);
});
afterAll(async () => {
  for (const { bridge, proxy } of lines) {
    await bridge.close();
    await proxy.close();
  }
  await owner.close();
});

/** A bridge with a line to OpenCode of its own. */
async function lineOf(): Promise<{ bridge: Bridge; proxy: FaultyProxy }> {
  const proxy = await startFaultyProxy(owner.endpoint.url);
  const endpoint = { ...owner.endpoint, url: proxy.url };
  const line = { proxy, bridge: await startBridge({ on: { endpoint, model: owner.model } }) };
  lines.push(line);
  return line;
}

/**
 * What a log says but for warnings, ids and times, step by step in the order in which the steps are told.
 * Within a step, a text and the tools have no order: OpenCode starts a tool while the text still streams, its
 * records have the text first. Usage has none among them either: OpenCode may write an event so late that the
 * message which begins is already the completed one. A todo list and a retry are told live alone.
 */
function story(task: Task, events: readonly TaskEvent[]): unknown {
  const steps: { step: number; texts: unknown[]; tools: unknown[] }[] = [];
  const usage: unknown[] = [];
  const life: unknown[] = [];
  for (const event of events) {
    if (event.kind === 'usage') usage.push(event.usage);
    else if (event.kind === 'output') stepOf(event.text).texts.push(event.text);
    else if (event.kind === 'file_changed') stepOf(event.path).tools.push(event.path);
    else if (event.kind === 'tool') {
      stepOf(event.title).tools.push([event.tool, event.phase, event.title, event.ok, event.output]);
    } else if (event.kind === 'completed') life.push(event.result);
    else if (!['warning', 'todo', 'retrying'].includes(event.kind)) life.push(event.kind);
  }
  return JSON.parse(JSON.stringify({ steps, usage, life }).replaceAll(task.directory, '.'));

  function stepOf(said: string) {
    const step = STEPS.findIndex((step) => saysOf(step).includes(said));
    const last = steps.at(-1);
    if (last?.step === step) return last;
    const next = { step, texts: [], tools: [] };
    steps.push(next);
    return next;
  }
}

/** What the events of a step are known by. */
function saysOf({ text, tools = [] }: Step): unknown[] {
  return [text, ...tools.flatMap(({ args }) => [args.command, args.filePath])];
}

/** The story of a task during which these things happen. */
async function tell(bridge: Bridge, happenings: readonly (() => Promise<unknown>)[]): Promise<unknown> {
  const task = await bridge.start(STEPS, { timeoutMs: 250_000 });
  const ended = bridge.end(task);
  for (const happen of happenings) await Promise.race([happen(), ended]);
  await ended;
  return story(task, bridge.events(task));
}

/** `at`: milliseconds after the start. */
type Fault = { at: number } & (
  | { kind: 'cut' }
  | { kind: 'down'; lasts: number }
  | { kind: 'delay'; by: number; lasts: number }
  | { kind: 'drop' | 'twice'; frames: number }
  | { kind: 'answer'; to: 'stream' | 'records'; as: 'refusal' | 'html'; times: number }
);

const at = fc.integer({ min: 0, max: LONGEST_MS });
const frames = fc.integer({ min: 1, max: 40 });
const times = fc.integer({ min: 1, max: 3 });
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant('cut'), at }),
  fc.record({ kind: fc.constant('down'), at, lasts: fc.integer({ min: 50, max: 800 }) }),
  fc.record({
    kind: fc.constant('delay'),
    at,
    by: fc.integer({ min: 50, max: 500 }),
    lasts: fc.integer({ min: 100, max: 2_000 }),
  }),
  fc.record({ kind: fc.constantFrom('drop', 'twice'), at, frames }),
  fc.record({
    kind: fc.constant('answer'),
    at,
    to: fc.constant('stream'),
    as: fc.constantFrom('refusal', 'html'),
    times,
  }),
  // A password that OpenCode refuses when it is asked for its records has changed, so the task ends: no 401 there.
  fc.record({ kind: fc.constant('answer'), at, to: fc.constant('records'), as: fc.constant('html'), times }),
);
const schedule = fc.array(fault, { minLength: 1, maxLength: 4 });

/** Does to the line what the fault says; nobody can know that frames were dropped but by the cut behind them. */
async function strike(proxy: FaultyProxy, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case 'cut':
      return proxy.cut();
    case 'down':
      proxy.fault = () => 'refuse';
      proxy.cut();
      await sleep(fault.lasts);
      proxy.fault = () => undefined;
      return;
    case 'delay':
      proxy.delayMs = fault.by;
      await sleep(fault.lasts);
      proxy.delayMs = 0;
      return;
    case 'drop':
      await pass(proxy, fault.frames, 0);
      proxy.cut();
      proxy.copies = () => 1;
      return;
    case 'twice':
      await pass(proxy, fault.frames, 2);
      proxy.copies = () => 1;
      return;
    case 'answer':
      return misanswer(proxy, fault);
  }
}

/** Resolves after so many frames of the stream; those behind them fare the same until told otherwise. */
async function pass(proxy: FaultyProxy, count: number, copies: number): Promise<void> {
  let left = count;
  await new Promise<void>((resolve) => {
    proxy.copies = () => {
      left -= 1;
      if (left === 0) resolve();
      return copies;
    };
  });
}

/** Cuts the line, so that the stream is opened and the records are read again, and answers with something else. */
async function misanswer(proxy: FaultyProxy, fault: Extract<Fault, { kind: 'answer' }>): Promise<void> {
  let left = fault.times;
  await new Promise<void>((resolve) => {
    proxy.fault = (method, path) => {
      const meant = fault.to === 'stream' ? path === '/global/event' : RECORDS.test(path);
      if (method !== 'GET' || !meant) return undefined;
      left -= 1;
      if (left === 0) resolve();
      return fault.as === 'refusal' ? { status: 401 } : HTML;
    };
    proxy.cut();
  });
  proxy.fault = () => undefined;
}

async function tellWith(
  { bridge, proxy }: { bridge: Bridge; proxy: FaultyProxy },
  faults: readonly Fault[],
): Promise<unknown> {
  const began = performance.now();
  const story = await tell(
    bridge,
    faults
      .toSorted((a, b) => a.at - b.at)
      .map((fault) => async () => {
        await sleep(Math.max(0, began + fault.at - performance.now()));
        await strike(proxy, fault);
      }),
  );
  Object.assign(proxy, { fault: () => undefined, copies: () => 1, delayMs: 0 });
  return story;
}

describe.concurrent('a log tells the same as that of a quiet run', () => {
  it('whatever the line to OpenCode does, at whatever moment', { timeout: 300_000 }, async () => {
    expect(quiet).toMatchObject({
      steps: STEPS.map((_, step) => ({ step })),
      usage: { length: STEPS.length },
    });
    const three = [await lineOf(), await lineOf(), await lineOf()];
    await fc.assert(
      fc.asyncProperty(fc.tuple(schedule, schedule, schedule), async (schedules) => {
        const stories = await Promise.all(three.map((line, index) => tellWith(line, schedules[index] ?? [])));
        for (const [index, story] of stories.entries()) {
          expect(story, JSON.stringify(schedules[index])).toEqual(quiet);
        }
      }),
      { numRuns: 3, endOnFailure: true },
    );
  });

  it('when a prompt is answered by errors and web pages first', { timeout: 300_000 }, async () => {
    const { bridge, proxy } = await lineOf();
    const answers = [{ status: 500 }, { status: 429 }, { status: 503 }, HTML, { ...HTML, type: 'text/html' }];
    proxy.fault = (method, path) =>
      method === 'POST' && path.includes('/prompt_async') ? answers.shift() : undefined;
    expect(await tell(bridge, [])).toEqual(quiet);
    expect(answers).toEqual([]);
  });

  it('when the stream opens again and says nothing any more, not even that it is open', {
    timeout: 300_000,
  }, async () => {
    const { bridge, proxy } = await lineOf();
    const task = await bridge.start(STEPS, { timeoutMs: 250_000 });
    await bridge.until(task, ({ kind }) => kind === 'tool');
    proxy.copies = () => 0;
    proxy.cut();
    const cutAt = Date.now();
    const { endedAt = 0 } = await bridge.end(task);
    expect(endedAt - cutAt).toBeLessThan(60_000);
    expect(story(task, bridge.events(task))).toEqual(quiet);
  });

  it('when the line falls silent without a cut, which is noticed within 35 s', {
    timeout: 300_000,
  }, async () => {
    const { bridge, proxy } = await lineOf();
    const task = await bridge.start(STEPS, { timeoutMs: 250_000 });
    await bridge.until(task, ({ kind }) => kind === 'tool');
    proxy.stall();
    const stalledAt = Date.now();
    const { endedAt = 0 } = await bridge.end(task);
    expect(endedAt - stalledAt).toBeLessThan(35_000);
    expect(story(task, bridge.events(task))).toEqual(quiet);
  });
});
