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

/** What a log says but for warnings, ids and times. */
function story(events: readonly TaskEvent[]): unknown[] {
  return events.flatMap((event): unknown[] => {
    switch (event.kind) {
      case 'warning':
        return [];
      case 'output':
        return [event.text];
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
  });
}

async function tell(faults: readonly Fault[]): Promise<unknown[]> {
  const task = await bridge.start(STEPS);
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
  return story(bridge.events(task)).map((line) =>
    JSON.parse(JSON.stringify(line).replaceAll(task.directory, '.')),
  );
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
  expect(quiet.at(-1)).toMatchObject({ files_changed_total: 2 });
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 4 }), async (faults) => {
      expect(await tell(faults)).toEqual(quiet);
    }),
    { numRuns: 8, endOnFailure: true },
  );
});
