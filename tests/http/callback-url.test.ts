import { expect, it } from 'vitest';
import { CallbackHosts } from '../../src/notifications/webhook/callback-hosts.ts';
import { startApi } from './rest.ts';

const CALLBACK = 'https://hooks.example.org/a?token=s3cret';

it('a task over REST has a callback_url, by the rules of the tool', async () => {
  await using server = await startApi();
  const { api, bridge } = server;
  const order = { task_description: 'x', callback_url: CALLBACK };
  expect(await api.post('/tasks/execute', order)).toMatchObject({
    status: 400,
    body: {
      code: 'INVALID_INPUT',
      detail: expect.stringContaining('`callback_url` is not possible here: WEBHOOK_ALLOWED_HOSTS'),
    },
  });
  bridge.services.callbackHosts = new CallbackHosts([{ hostname: 'hooks.example.org' }]);
  for (const url of [
    'http://169.254.169.254/latest/meta-data/',
    `${server.http.url}/tasks/execute`,

    'x',
  ]) {
    const refused = await api.post('/tasks/execute', { ...order, callback_url: url });
    expect(refused, url).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(refused.body.detail).toMatch(/^`callback_url` (names|"x" is not a URL)/);
  }
  expect((await api.get('/tasks')).body).toMatchObject({ tasks: [] });
  const taskId = await api.start({ callback_url: CALLBACK });
  expect(bridge.log.get(taskId)?.callbackUrl).toBe(CALLBACK);
});
