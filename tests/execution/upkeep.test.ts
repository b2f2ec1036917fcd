import { expect, it, vi } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { bash, slowly } from '../support/steps.ts';

const pidOf = ({ endpoint }: Bridge): number | undefined => endpoint.process?.pid();

async function untilAnother(bridge: Bridge, before: number | undefined): Promise<void> {
  const isAnother = (): boolean => pidOf(bridge) !== undefined && pidOf(bridge) !== before;
  await vi.waitUntil(isAnother, { timeout: 100_000, interval: 50 });
}

// Both wait most of the time, each for a bound of its own, on servers of their own.
it.concurrent('an embedded server that hangs is started anew, and the task goes on', async () => {
  // OpenCode sends a heartbeat every 10 s.
  await using bridge = await startBridge({ maxRetries: 0, silenceLimitMs: 15_000 });
  const task = await bridge.start([slowly('bla ', 100_000)], { timeoutMs: 180_000 });
  await bridge.untilAsked(task);
  const before = pidOf(bridge) ?? 0;
  process.kill(before, 'SIGSTOP');
  expect(await bridge.runner.resources()).toMatchObject({ restarts: 0 });
  await untilAnother(bridge, before);
  expect(await bridge.runner.resources()).toMatchObject({
    restarts: 1,
    memoryBytes: expect.toSatisfy((bytes: number) => bytes > 10e6),
  });
  expect(await bridge.end(task)).toMatchObject({
    status: 'completed',
    result: { summary: expect.stringContaining('was restarted') },
  });
});

it.concurrent('an embedded server that has grown large is started anew once no task uses it', async () => {
  // Less than any server has: it is restarted at each health check, but for the time of a task.
  await using bridge = await startBridge({ maxRssMb: 1 });
  const task = await bridge.start([bash('sleep 8'), { text: 'undisturbed' }]);
  await bridge.until(task, ({ kind }) => kind === 'tool');
  const before = pidOf(bridge);
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'undisturbed' } });
  expect(bridge.events(task).filter(({ kind }) => kind === 'warning')).toEqual([]);
  expect(pidOf(bridge)).toBe(before);
  await untilAnother(bridge, before);
  expect(await bridge.run([{ text: 'goes on' }])).toMatchObject({ status: 'completed' });
});
