import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startScriptedBridge } from './bridge.ts';

test("a directory cannot be another agent's task folder, nor the folder of them all", async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const task = await client.start({ agent_id: 'one' });
  await bridge.runner.turnOf(task);
  const folder = join(bridge.workspaceDir, task);
  await mkdir(join(folder, 'inner'));
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await symlink(folder, join(bridge.workspaceDir, 'link'));
  const ask = (directory: string, agent_id: string) =>
    client.call('opencode_execute_task', { task_description: 'x', agent_id, directory });
  const missing = await ask('task_0', 'two');
  for (const directory of [task, folder, `${task}/inner`, 'link']) {
    const { error } = await ask(directory, 'two');
    expect(error?.message).toBe(missing.error?.message.replace('task_0', directory));
    expect(error?.next).toBe(missing.error?.next);
  }
  for (const directory of ['.', bridge.workspaceDir]) {
    const { error } = await ask(directory, 'two');
    expect(error?.message).toContain('is the folder of all tasks');
  }
  expect((await client.ok('list_tasks', { agent_id: 'two' })).structured.tasks).toEqual([]);
  for (const directory of [task, `${task}/inner`, 'link']) {
    expect((await ask(directory, 'one')).error).toBeUndefined();
  }
});

test('a folder in the workspace that no task was made for is for every agent', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  await mkdir(join(bridge.workspaceDir, 'shared'));
  for (const agent_id of ['one', 'two']) await client.start({ agent_id, directory: 'shared' });
});

test('one agent cannot fill the queue for all', async () => {
  await using bridge = await startScriptedBridge({
    limits: { maxConcurrent: 1, maxQueued: 5, maxQueuedPerAgent: 2 },
  });
  const client = await bridge.client();
  for (let n = 0; n < 3; n += 1) await client.start({ agent_id: 'flood' });
  const order = { task_description: 'x', agent_id: 'flood' };
  const { error } = await client.call('opencode_execute_task', order);
  expect(error).toMatchObject({
    code: 'QUEUE_FULL',
    message: expect.stringContaining('2 tasks of agent "flood" wait (MAX_QUEUED_TASKS_PER_AGENT)'),
    retry_after_seconds: 30,
  });
  await client.start({ agent_id: 'single' });
  expect(bridge.log.store.countByStatus()).toEqual({ running: 1, queued: 3 });
});
