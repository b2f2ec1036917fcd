import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { processesOf } from '../support/processes.ts';
import { bash, slowly } from '../support/steps.ts';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ shells: { sandbox: 'off', leftovers: 'keep' } });
});
afterAll(() => bridge?.close());

const sleeping = async (seconds: string) =>
  (await processesOf(bridge.home)).filter(({ command }) => command === `sleep ${seconds}`);

it('a removed task leaves neither folder nor process, and the next one works', async () => {
  const start = '(setsid nohup sleep 611 > /dev/null 2>&1 &); sleep 0.3; echo x > made.txt';
  const task = await bridge.run([bash(start), { text: 'Done.' }], { fresh: true });
  expect(existsSync(join(task.directory, 'made.txt'))).toBe(true);
  expect(await sleeping('611')).toHaveLength(1);
  await bridge.execution.remove(task);
  expect(await sleeping('611')).toEqual([]);
  expect(existsSync(task.directory)).toBe(false);
  expect(readdirSync(join(bridge.root, 'data', 'snapshots'))).not.toContain(task.id);
  await expect(bridge.execution.find('agent', task.id)).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
  expect(bridge.events(task)).toEqual([]);
  const next = await bridge.run([{ text: 'Fine.' }], { fresh: true });
  expect(next.status).toBe('completed');
});

it('a task that works is not removed; once it is cancelled it is', async () => {
  const task = await bridge.start([slowly('x', 60_000)], { fresh: true });
  await bridge.untilAsked(task);
  await expect(bridge.execution.remove(task)).rejects.toMatchObject({ code: 'INVALID_STATE' });
  await bridge.execution.cancel(task, 'me', undefined);
  await bridge.execution.remove(task);
  expect(existsSync(task.directory)).toBe(false);
});
