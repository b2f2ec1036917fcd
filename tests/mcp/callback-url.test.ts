import { expect, it } from 'vitest';
import { CallbackHosts } from '../../src/notifications/webhook/callback-hosts.ts';
import { startScriptedBridge } from './bridge.ts';

const CALLBACK = 'https://hooks.example.org/a?token=s3cret';

async function bridgeWith(...hosts: string[]) {
  const bridge = await startScriptedBridge();
  bridge.services.callbackHosts = new CallbackHosts(hosts.map((hostname) => ({ hostname })));
  return bridge;
}

it('is stored with the task, exactly as given', async () => {
  await using bridge = await bridgeWith('hooks.example.org');
  const client = await bridge.client();
  const taskId = await client.start({ callback_url: CALLBACK });
  expect(bridge.log.get(taskId)?.callbackUrl).toBe(CALLBACK);
  const { structured } = await client.ok('get_task_history', { task_id: taskId });
  expect(structured.events).toEqual(
    expect.arrayContaining([expect.objectContaining({ kind: 'created', callback_url: CALLBACK })]),
  );
  expect(bridge.logger.lines.join()).not.toContain('s3cret');
});

it('is part of what an idempotency key stands for', async () => {
  await using bridge = await bridgeWith('hooks.example.org');
  const client = await bridge.client();
  const order = { idempotency_key: 'k', callback_url: CALLBACK };
  const taskId = await client.start(order);
  expect(await client.start(order)).toBe(taskId);
  for (const callback_url of ['https://hooks.example.org/b', '']) {
    const args = { task_description: 'do it', ...order, callback_url };
    const { error } = await client.call('opencode_execute_task', args);
    expect(error?.code, callback_url).toBe('IDEMPOTENCY_CONFLICT');
  }
});

it('is not inherited by a task that continues another', async () => {
  await using bridge = await bridgeWith('hooks.example.org');
  const client = await bridge.client();
  const taskId = await client.start({ callback_url: CALLBACK });
  await bridge.until(taskId, ({ status }) => status === 'running');
  bridge.log.append(taskId, { kind: 'attached', session_id: 'ses_1', prompt_id: 'msg_1' });
  await client.ok('send_task_control', { task_id: taskId, control: 'cancel' });
  await bridge.until(taskId, ({ status }) => status === 'cancelled');
  const next = await client.start({ continue_task_id: taskId });
  expect(bridge.log.get(next)?.callbackUrl).toBeUndefined();
});

it.each([
  [
    'http://169.254.169.254/latest/meta-data/',
    'names "169.254.169.254", which is not in WEBHOOK_ALLOWED_HOSTS',
  ],
  ['http://127.0.0.1:3500/mcp', 'names "127.0.0.1:3500"'],
  ['http://[::1]:3500/mcp', 'names "[::1]:3500"'],
  ['https://u:pass-word@hooks.example.org/', 'must not hold credentials'],
  ['gopher://hooks.example.org/', 'has the scheme "gopher:"'],
  ['hooks.example.org', '"hooks.example.org" is not a URL'],
])('%s is refused, and nothing is stored', async (callback_url, says) => {
  await using bridge = await bridgeWith('hooks.example.org');
  const client = await bridge.client();
  const { error } = await client.call('opencode_execute_task', { task_description: 'x', callback_url });
  expect(error).toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining(`\`callback_url\` ${says}`),
  });
  expect(error?.message).not.toContain('pass-word');
  expect(error?.next).toContain('WEBHOOK_ALLOWED_HOSTS');
  expect((await client.ok('list_tasks')).structured.tasks).toEqual([]);
});

it('is refused where no host is allowed, with the name of the variable', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const { error } = await client.call('opencode_execute_task', {
    task_description: 'x',
    callback_url: CALLBACK,
  });
  expect(error).toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('`callback_url` is not possible here: WEBHOOK_ALLOWED_HOSTS'),
  });
});
