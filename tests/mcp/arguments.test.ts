import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseArguments } from '../../src/api/arguments.ts';
import { coerceArguments } from '../../src/api/coerce-arguments.ts';
import { TOOLS } from '../../src/mcp/tools/index.ts';
import { startScriptedBridge, type TestClient } from './bridge.ts';

let bridge: Awaited<ReturnType<typeof startScriptedBridge>>;
let client: TestClient;

beforeEach(async () => {
  bridge = await startScriptedBridge();
  client = await bridge.client();
});
afterEach(() => bridge[Symbol.asyncDispose]());

const PLATFORM_KEYS = ['toolCallId', 'sessionId', 'action', 'chatInput', 'tool', 'request_heartbeat'];

test('null and "" count as absent for what is optional, as providers send it that make every field required', async () => {
  const optional = Object.keys(inputOf('opencode_execute_task').shape).filter(
    (key) => key !== 'task_description',
  );
  for (const empty of [null, '', 'null']) {
    const kinds = optional.filter(
      (key) => empty !== 'null' || ['timeout_ms', 'max_tokens', 'sync', 'observers'].includes(key),
    );
    const args = Object.fromEntries(kinds.map((key) => [key, empty]));
    const { structured } = await client.ok('opencode_execute_task', { task_description: 'do it', ...args });
    expect(structured).toMatchObject({ status: 'running', repeated: false });
    await client.ok('send_task_control', { task_id: structured.task_id, control: 'cancel', reason: empty });
  }
  const [plain, ...others] = bridge.log.store.list({ agentId: 'default', limit: 9 }).tasks;
  expect(others).toHaveLength(2);
  for (const task of others) expect(task.limits).toEqual(plain?.limits);
});

test('strings that can only mean a number, a truth value or a list are converted', async () => {
  const { structured } = await client.ok('opencode_execute_task', {
    task_description: '123',
    timeout_ms: '5000',
    max_cost_usd: '0.5',
    max_tokens: ' 1000 ',
    sync: 'False',
    observers: '["@ann:example.org"]',
    idempotency_key: '42',
  });
  expect(bridge.log.get(String(structured.task_id))).toMatchObject({
    description: '123',
    idempotencyKey: '42',
    observers: ['@ann:example.org'],
    limits: { timeoutMs: 5000, maxCostUsd: 0.5, maxTokens: 1000 },
  });
  const task_id = structured.task_id;
  const question = { header: 'h', question: 'Which?', options: [] };
  (await bridge.runner.turnOf(String(task_id))).ask({ id: 'q', type: 'question', questions: [question] });
  await client.ok('get_task_history', { task_id, events_limit: '-1', include_artifacts: 'true' });
  await client.ok('answer_task_request', {
    task_id,
    request_id: 'q',
    answers: '["a"]',
    reply: '',
    message: null,
  });
});

test('an empty list counts as absent too, so that a reply beside it is taken', async () => {
  const task_id = await client.start({ observers: [] });
  (await bridge.runner.turnOf(task_id)).ask({ id: 'per_1', type: 'permission' });
  await client.ok('answer_task_request', { task_id, request_id: 'per_1', reply: 'once', answers: [] });
});

test('what platforms add to every call is ignored', async () => {
  const extras = Object.fromEntries(PLATFORM_KEYS.map((key) => [key, 'x']));
  const task_id = await client.start({ ...extras, toolCallId: { deep: true } });
  await client.ok('get_task_status', { task_id, ...extras });
  await client.ok('ping', extras);
});

test('ping and health take the agent_id that the instructions ask for, and check nothing with it', async () => {
  for (const name of ['ping', 'health']) {
    for (const agent_id of ['one', 'two', 'not\nan id', '', null]) await client.ok(name, { agent_id });
  }
  const listed = (await client.client.listTools()).tools.filter(({ name }) =>
    ['ping', 'health'].includes(name),
  );
  for (const { inputSchema } of listed) {
    expect(inputSchema).toEqual({
      type: 'object',
      properties: { agent_id: { type: 'string' } },
    });
  }
  await client.start();
  expect(bridge.log.store.list({ agentId: 'default', limit: 1 }).tasks).toHaveLength(1);
});

test('a wait over the limit is clamped, and the answer says so in both forms', async () => {
  const task_id = await client.start();
  (await bridge.runner.turnOf(task_id)).complete('done');
  for (const wait_ms of [60_000, '600000', 1e300]) {
    const { structured, text } = await client.ok('get_task_status', { task_id, wait_ms });
    expect(structured.hint).toBe(`\`wait_ms\` ${wait_ms} was taken as 50000, the most there is.`);
    expect(text).toContain(String(structured.hint));
  }
  const { structured } = await client.ok('get_task_status', { task_id, wait_ms: 50_000 });
  expect(structured).not.toHaveProperty('hint');
});

describe('what is unclear is refused as before', () => {
  test.each([
    ['opencode_execute_task', { task_description: 'x', timeoutms: 5 }, 'Did you mean `timeout_ms`?'],
    ['opencode_execute_task', { task_description: 'x', timeoutMs: null }, 'Did you mean `timeout_ms`?'],
    [
      'opencode_execute_task',
      { task_description: 'x', idempotencyKey: 'k' },
      'Did you mean `idempotency_key`?',
    ],
    [
      'opencode_execute_task',
      { description: 'x', task_decsription: 'x' },
      'Did you mean `task_description`?',
    ],
    ['get_task_status', { taskId: 'task_1' }, 'Did you mean `task_id`?'],
    ['get_task_status', { 'task-id': 'task_1' }, 'Did you mean `task_id`?'],
    ['read_task_file', { task_id: 't', filepath: 'a' }, 'Did you mean `file_path`?'],
    ['get_task_status', { task_id: '' }, '`task_id` "" is empty.'],
    ['get_task_status', { task_id: null }, '`task_id` null is not a string.'],
    ['get_task_status', { task_id: 't', wait_ms: 'soon' }, '`wait_ms` "soon" is not a number.'],
    ['get_task_status', { task_id: 't', wait_ms: '0x10' }, '`wait_ms` "0x10" is not a number.'],
    ['get_task_status', { task_id: 't', wait_ms: '-5' }, '`wait_ms` -5 is less than 0.'],
    ['get_task_status', { task_id: 't', wait_ms: true }, '`wait_ms` true is not a number.'],
    ['get_task_status', { task_id: 't', wait_ms: [5] }, '`wait_ms` [5] is not a number.'],
    ['opencode_execute_task', { task_description: 'x', sync: '1' }, '`sync` "1" is not true or false.'],
    ['opencode_execute_task', { task_description: 'x', observers: '{"a":1}' }, 'is not a list.'],
    [
      'opencode_execute_task',
      { task_description: 'x', observers: '["@ann:example.org", null]' },
      'null is not a string.',
    ],
    ['opencode_execute_task', { task_description: null }, '`task_description` null is not a string.'],
    ['opencode_execute_task', { task_description: 'x', agent: ' ', timeout_ms: 'x' }, '`timeout_ms` "x"'],
    ['send_task_control', { task_id: 't', control: '' }, '`control` "" is not one of cancel, pause, resume.'],
    ['ping', { agentId: 'x' }, 'Did you mean `agent_id`?'],
  ])('%s %j', async (name, args, message) => {
    const { error } = await client.call(name, args);
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining(message) });
  });

  test('and does not fill the context, however long and many the names are', async () => {
    const args = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`k${n}${'x'.repeat(2_000)}`, n]));
    const { error, text } = await client.call('list_tasks', args);
    expect(error?.message).toContain('`k0x');
    expect(text.length).toBeLessThan(4_000);
  });
});

/** Arguments that fit a tool, and the same as some client or other might send them. */
const SENT = fc
  .record({
    task_description: fc.string({ minLength: 1 }),
    idempotency_key: fc.option(fc.constantFrom('k', '5', 'true', 'null', '[]', ' '), { nil: undefined }),
    timeout_ms: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
    max_cost_usd: fc.option(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { nil: undefined }),
    sync: fc.option(fc.boolean(), { nil: undefined }),
    observers: fc.option(fc.array(fc.string(), { minLength: 1 }), { nil: undefined }),
  })
  .chain((strict) =>
    fc
      .record({
        stringly: fc.boolean(),
        empty: fc.constantFrom(null, '', undefined),
        extras: fc.subarray(PLATFORM_KEYS),
      })
      .map(({ stringly, empty, extras }) => ({ strict, sent: asSent(strict, stringly, empty, extras) })),
  );

function asSent(
  strict: object,
  stringly: boolean,
  empty: unknown,
  extras: string[],
): Record<string, unknown> {
  const entries = Object.entries(strict).map(([key, value]) => {
    if (value === undefined) return [key, empty];
    return [key, stringly && typeof value !== 'string' ? JSON.stringify(value) : value];
  });
  return Object.fromEntries([...entries, ...extras.map((key) => [key, 1])]);
}

describe('whatever is sent', () => {
  test('means the same in every form', () => {
    const schema = inputOf('opencode_execute_task');
    fc.assert(
      fc.property(SENT, ({ strict, sent }) => {
        const args = coerceArguments(schema, sent).args;
        expect(parseArguments('t', schema, args)).toEqual(parseArguments('t', schema, { ...strict }));
      }),
    );
  });

  test('a string stays the string that it is where the schema wants one', () => {
    const schema = inputOf('opencode_execute_task');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (task_description) => {
        expect(coerceArguments(schema, { task_description }).args).toEqual({ task_description });
      }),
    );
  });

  test('is taken or refused, never thrown out otherwise, and what was sent is not changed', () => {
    const tool = fc.constantFrom(...TOOLS);
    const values = fc.oneof(fc.jsonValue(), fc.json(), fc.constantFrom(null, '', 'true', '[', '"', '1e999'));
    const args = tool.chain(({ name, input }) =>
      fc.record({
        name: fc.constant(name),
        sent: fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(input.shape)), fc.string()), values),
      }),
    );
    fc.assert(
      fc.property(args, ({ name, sent }) => {
        const before = JSON.stringify(sent);
        try {
          parseArguments(name, inputOf(name), coerceArguments(inputOf(name), sent).args);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'INVALID_INPUT' });
        }
        expect(JSON.stringify(sent)).toBe(before);
      }),
    );
  });
});

function inputOf(name: string) {
  const tool = TOOLS.find((it) => it.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  return tool.input;
}
