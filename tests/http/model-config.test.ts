import { expect, it } from 'vitest';
import { BridgeError } from '../../src/errors.ts';
import type { ModelConfigTarget } from '../../src/runners/runner.ts';
import type { ModelConfig } from '../../src/tasks/model-config.ts';
import { startApi } from './rest.ts';

const SETTINGS = { temperature: 0.2, max_tokens: 500, system_prompt: 'Be short.', enabled_tools: ['read'] };

/** The task API before a runner that takes every setting, and what the runner was asked. */
async function start() {
  const server = await startApi();
  const asked: [ModelConfig, ModelConfigTarget][] = [];
  server.runner.requireModelConfig = async (config, target) => {
    asked.push([config, target]);
  };
  const order = (model_config: unknown, more: object = {}) =>
    server.api.post('/tasks/execute', { task_description: 'x', model_config, ...more });
  return { ...server, asked, order };
}

it('stores the settings with the task, once the runner has agreed', async () => {
  await using server = await start();
  const { api, asked, bridge } = server;
  const id = await api.start({ model_config: { provider: 'a', model: 'b', ...SETTINGS }, agent: 'plan' });
  expect(asked).toEqual([[SETTINGS, { directory: bridge.workspaceDir, model: 'a/b', agent: 'plan' }]]);
  expect((await api.get(`/tasks/${id}`)).body).toMatchObject({ model: 'a/b', model_config: SETTINGS });
  const { events } = (await api.get(`/tasks/${id}/events`)).body;
  expect(events[0]).toMatchObject({ kind: 'created', model: 'a/b', model_config: SETTINGS });
});

it('asks no runner and stores nothing where only the model is named', async () => {
  await using server = await start();
  const id = await server.api.start({ model_config: { provider: 'a', model: 'b' } });
  expect(server.asked).toEqual([]);
  const { body } = await server.api.get(`/tasks/${id}`);
  expect(body.model).toBe('a/b');
  expect(body).not.toHaveProperty('model_config');
});

it.each([
  [{ api_endpoint: 'http://127.0.0.1:1/v1' }, '`model_config.api_endpoint` "http://127.0.0.1:1/v1"'],
  [{ provider: 'a' }, '`model_config.provider` "a" is given without `model_config.model`'],
  [{ provider: 'a/b', model: 'c' }, '`model_config.provider` "a/b" contains a slash or a space'],
  [{ temperature: 2.5 }, '`model_config.temperature` 2.5 is more than 2'],
  [{ temperature: '0.5' }, '`model_config.temperature` "0.5" is not a number'],
  [{ max_tokens: 0 }, '`model_config.max_tokens` 0 is less than 1'],
  [{ system_prompt: ' \n' }, '`model_config.system_prompt` " \\n" is empty'],
  [{ enabled_tools: 'read' }, '`model_config.enabled_tools` "read" is not a list'],
  [{ enabled_tools: [''] }, '`model_config.enabled_tools.0` "" is empty'],
  [
    { apiEndpoint: 'x' },
    '`apiEndpoint` is not a parameter; `model_config` takes provider, model, api_endpoint, temperature, max_tokens, system_prompt, enabled_tools. Did you mean `api_endpoint`?',
  ],
  [{ api_key: 'x' }, '`api_key` is not a parameter; `model_config` takes provider'],
  ['fast', '`model_config` "fast" is not an object'],
])('refuses %j by name, and stores nothing', async (config, detail) => {
  await using server = await start();
  const { status, body } = await server.order(config);
  expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
  expect(body.detail).toContain(detail);
  expect((await server.api.get('/tasks')).body.tasks).toEqual([]);
});

it.each([
  ['UNSUPPORTED', 501],
  ['ENGINE_UNAVAILABLE', 502],
  ['ENGINE_UNAUTHORIZED', 502],
  ['ENGINE_ERROR', 502],
] as const)('passes on %s of the runner, and stores nothing', async (code, status) => {
  await using server = await start();
  server.runner.requireModelConfig = async () => {
    throw new BridgeError(code, 'No temperature here.', { next: 'Leave it out.' });
  };
  const { status: answered, body } = await server.order({ temperature: 1 });
  expect({ status: answered, ...body }).toMatchObject({ status, code });
  expect(body.detail).toContain('No temperature here.');
  expect((await server.api.get('/tasks')).body.tasks).toEqual([]);
});

it('refuses all settings before a runner that knows none', async () => {
  await using server = await startApi();
  const { status, body } = await server.api.post('/tasks/execute', {
    task_description: 'x',
    model_config: { temperature: 1 },
  });
  expect({ status, detail: body.detail }).toMatchObject({
    status: 501,
    detail: expect.stringContaining('takes no `model_config`'),
  });
});

it('has the settings in what makes a repeated request the same', async () => {
  await using server = await start();
  const key = { idempotency_key: 'k' };
  const first = await server.order({ ...SETTINGS, enabled_tools: ['read', 'grep'] }, key);
  const again = await server.order({ ...SETTINGS, enabled_tools: ['grep', 'read', 'read'] }, key);
  expect(again.body).toMatchObject({ execution_id: first.body.execution_id, repeated: true });
  for (const other of [{ temperature: 0.3 }, { system_prompt: 'Be long.' }, { enabled_tools: [] }]) {
    const { body } = await server.order({ ...SETTINGS, enabled_tools: ['read', 'grep'], ...other }, key);
    expect(body.code, JSON.stringify(other)).toBe('IDEMPOTENCY_CONFLICT');
  }
  expect((await server.order(undefined, key)).body.code).toBe('IDEMPOTENCY_CONFLICT');
});

it('names the model in either way for the same request', async () => {
  await using server = await start();
  const first = await server.order(undefined, { idempotency_key: 'k', model: 'a/b' });
  const again = await server.order({ provider: 'a', model: 'b' }, { idempotency_key: 'k' });
  expect(again.body).toMatchObject({ execution_id: first.body.execution_id, repeated: true });
  const other = await server.order({ provider: 'a', model: 'b' }, { model: 'a/c' });
  expect(other.body.detail).toContain('`model` "a/c" and the model of `model_config` "a/b" differ');
});

it('gives a follow-up what it does not set anew, and no tool back', async () => {
  await using server = await start();
  const { api, runner, bridge, asked } = server;
  const first = await api.start({ model_config: SETTINGS });
  (await runner.turnOf(first)).complete('done');
  await bridge.until(first, ({ status }) => status === 'completed');
  const { status, body } = await server.order(
    { enabled_tools: ['read', 'bash'] },
    { continue_task_id: first },
  );
  expect({ status, detail: body.detail }).toEqual({
    status: 400,
    detail: expect.stringContaining(`names "bash", which task ${first} did not have`),
  });
  const second = await api.start({ continue_task_id: first, model_config: { temperature: 1 } });
  const expected = { ...SETTINGS, temperature: 1 };
  expect((await api.get(`/tasks/${second}`)).body.model_config).toEqual(expected);
  const { directory } = (await api.get(`/tasks/${first}`)).body;
  expect(asked.at(-1)).toEqual([expected, { directory }]);
});

it('lets one of two follow-ups continue, also while the runner is asked about both', async () => {
  await using server = await start();
  const { api, runner, bridge } = server;
  const first = await api.start();
  (await runner.turnOf(first)).complete('done');
  await bridge.until(first, ({ status }) => status === 'completed');
  const both = Promise.withResolvers<void>();
  let waiting = 0;
  runner.requireModelConfig = () => {
    waiting += 1;
    if (waiting === 2) both.resolve();
    return both.promise;
  };
  const follow = () => server.order({ temperature: 1 }, { continue_task_id: first });
  const answers = await Promise.all([follow(), follow()]);
  expect(answers.map(({ status }) => status).sort()).toEqual([202, 409]);
});

it('is no parameter of the tool, whose list is short', async () => {
  await using server = await start();
  const client = await server.client();
  const called = client.call('opencode_execute_task', { task_description: 'x', model_config: SETTINGS });
  expect((await called).error).toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('`model_config` is not a parameter'),
  });
});
