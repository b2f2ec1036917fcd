import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { engine, startScriptedDockerBridge } from '../../support/docker.ts';

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

it('a conversation is kept while one of its tasks exists, and removed with the last', async () => {
  await using bridge = await startScriptedDockerBridge();
  const first = await bridge.run([{ text: 'One.' }]);
  const other = await bridge.run([{ text: 'Other.' }]);
  const second = await bridge.run([{ text: 'Two.' }], { continueTaskId: first.id });
  expect(second.sessionId).toBe(first.sessionId);
  /** The conversations that remain where only these tasks exist. */
  const leftOf = async (...tasks: string[]) => {
    const get = (id: string) => (tasks.includes(id) ? bridge.log.get(id) : undefined);
    const runner = await bridge.runnerOn({ get, unfinished: () => [], events: () => [] });
    await runner.close();
    return (await readdir(join(bridge.dataDir, 'sessions'))).sort();
  };
  const conversations = [first.sessionId, other.sessionId].sort();
  expect(await leftOf(first.id, second.id, other.id)).toEqual(conversations);
  expect(await leftOf(second.id, other.id)).toEqual(conversations);
  expect(await leftOf(other.id)).toEqual([other.sessionId]);
});

it('a conversation is kept that a task has just begun and does not list yet', async () => {
  await using bridge = await startScriptedDockerBridge();
  const task = await bridge.run([{ text: 'One.' }]);
  const sessions = join(bridge.dataDir, 'sessions');
  const begun = { ...task, id: 'task_begun', sessionId: undefined, status: 'running' as const };
  // The state during `open`.
  for (const name of ['docker-task_begun', 'docker-task_none'])
    await mkdir(join(sessions, name, 'data'), { recursive: true });
  const store = { get: () => undefined, unfinished: () => [begun], events: () => [] };
  await (await bridge.runnerOn(store)).close();
  expect(await readdir(sessions)).toEqual(['docker-task_begun']);
});
