import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TaskEvent } from '../../src/tasks/events.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import { bash, slowly, write } from '../support/steps.ts';

const STEPS = [
  write('n.txt', 'one\n'),
  bash('sleep 0.3; cat n.txt'),
  { ...slowly('bla ', 400), tools: [{ name: 'bash', args: { command: 'sleep 0.3', description: 'Wait' } }] },
  write('m.txt', 'two\n'),
  slowly('done ', 400),
];
const LONGEST_MS = 5_000;

let owner: Bridge;
let proxy: FaultyProxy;
let bridge: Bridge;

beforeAll(async () => {
  owner = await startBridge();
  proxy = await startFaultyProxy(owner.endpoint.url);
  bridge = await startBridge({ on: { endpoint: { ...owner.endpoint, url: proxy.url }, model: owner.model } });
});
afterAll(async () => {
  await bridge.close();
  await proxy.close();
  await owner.close();
});

/**
 * What a log says but for warnings, ids and times, step by step. Within one answer of the model its text and its
 * tools have no order: OpenCode starts a tool while the text still streams, its records have the text first.
 * A todo list and a retry are told live alone.
 */
function story(events: readonly TaskEvent[]): unknown[] {
  const steps: { texts: unknown[]; rest: unknown[] }[] = [{ texts: [], rest: [] }];
  for (const event of events) {
    const step = steps.at(-1);
    if (event.kind === 'output') step?.texts.push(event.text);
    else step?.rest.push(...line(event));
    if (event.kind === 'usage') steps.push({ texts: [], rest: [] });
  }
  return steps;
}

function line(event: TaskEvent): unknown[] {
  switch (event.kind) {
    case 'warning':
    case 'todo':
    case 'retrying':
      return [];
    case 'tool':
      return [[event.tool, event.phase, event.title, event.ok, event.output]];
    case 'file_changed':
      return [event.path];
    case 'usage':
      return [event.usage];
    case 'completed':
      return [event.result];
    default:
      return [event.kind];
  }
}

async function tell(faults: readonly Fault[]): Promise<unknown[]> {
  const task = await bridge.start(STEPS, { timeoutMs: 250_000 });
  const ended = bridge.end(task);
  const began = performance.now();
  for (const { at, lasts } of faults.toSorted((a, b) => a.at - b.at)) {
    await sleep(Math.max(0, began + at - performance.now()));
    if (lasts > 0) proxy.fault = () => 'refuse';
    proxy.cut();
    await sleep(lasts);
    proxy.fault = () => undefined;
  }
  await ended;
  return JSON.parse(JSON.stringify(story(bridge.events(task))).replaceAll(task.directory, '.'));
}

interface Fault {
  /** Milliseconds after the start. */
  at: number;
  /** How long nothing comes through; 0: everything is cut once. */
  lasts: number;
}

const fault = fc.record({
  at: fc.integer({ min: 0, max: LONGEST_MS }),
  lasts: fc.constantFrom(0, 100, 600),
});

it('a log tells the same, whenever the connection to OpenCode breaks', async () => {
  const quiet = await tell([]);
  expect(quiet.at(-1)).toMatchObject({ rest: [{ files_changed_total: 2 }] });
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 4 }), async (faults) => {
      expect(await tell(faults)).toEqual(quiet);
    }),
    { numRuns: 8, endOnFailure: true },
  );
}, 300_000);
