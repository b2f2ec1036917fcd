import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { callTool, WITH_FORMS } from './modern.ts';
import { startServer } from './server.ts';

const FORMS = { elicitation: {} };
const PERMISSION = { id: 'per_1', type: 'permission' as const, permission: 'bash', patterns: ['make'] };
const ONCE = { action: 'accept', content: { reply: 'once' } };
const REFUSED = { error: { code: -32602, message: 'Invalid or expired requestState' } };
const KEY = new Uint8Array(32).fill(7);
const question = z.object({
  resultType: z.literal('input_required'),
  inputRequests: z.record(z.string(), z.looseObject({ method: z.literal('elicitation/create') })),
  requestState: z.string(),
});

let server: Awaited<ReturnType<typeof startServer>>;
let count = 0;

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 100 }, stateKey: KEY });
});
afterEach(() => vi.useRealTimers());
afterAll(() => server[Symbol.asyncDispose]());

interface Answer {
  result?: Record<string, unknown>;
  error?: { code: number };
}

async function called(response: Promise<Response>): Promise<Answer> {
  const { status } = await response;
  expect(status).toBeLessThan(500);
  const text = await (await response).text();
  const [, data = text] = /^data: (\{.+)$/m.exec(text) ?? [];
  return JSON.parse(data);
}

/** A sync call by hand that asks, and how its client goes on. */
async function asking(args: Record<string, unknown> = {}) {
  count += 1;
  const agent = `agent ${count}`;
  const order = { task_description: 'do it', sync: true, ...args };
  const headers = { 'x-agent-id': agent };
  const first = called(
    callTool(server.url, 'opencode_execute_task', order, { capabilities: FORMS, headers }),
  );
  const { tasks } = await vi.waitUntil(
    async () => {
      const page = await server.bridge.execution.list({ agentId: agent, limit: 9 });
      return page.tasks.length > 0 && page;
    },
    { timeout: 60_000 },
  );
  const id = tasks[0]?.id ?? '';
  const run = await server.bridge.runner.turnOf(id);
  run.ask(PERMISSION);
  const { requestState, inputRequests } = question.parse((await first).result);
  const again = (
    more: object,
    { as = agent, name = 'opencode_execute_task', given = order as object } = {},
  ) =>
    called(
      sendCall(name, given, { requestState, inputResponses: { per_1: ONCE }, ...more }, { 'x-agent-id': as }),
    );
  const countTasks = async () =>
    (await server.bridge.execution.list({ agentId: agent, limit: 9 })).tasks.length;
  return { agent, id, run, requestState, inputRequests, order, again, countTasks };
}

function sendCall(name: string, args: object, round: object, headers: Record<string, string>) {
  return callTool(server.url, name, args, { capabilities: FORMS, headers, round });
}

const structured = (answer: Answer) => answer.result?.structuredContent;

test('a state holds over a restart of the bridge, and names a task that is not created again', async () => {
  const { id, run, again, inputRequests, countTasks } = await asking();
  expect(Object.keys(inputRequests)).toEqual(['per_1']);
  await server.restart({ stateKey: KEY });
  const answer = again({});
  await server.bridge.until(id, () => run.answers.length === 1);
  run.complete('made');
  expect(structured(await answer)).toMatchObject({ task_id: id, status: 'completed', repeated: false });
  expect(await countTasks()).toBe(1);
});

test('a replayed state gives no second answer', async () => {
  const { id, run, again, countTasks } = await asking();
  const reject = { per_1: { action: 'accept', content: { reply: 'reject' } } };
  const answers = [again({}), again({ inputResponses: reject })];
  await server.bridge.until(id, () => run.answers.length === 1);
  run.complete('made');
  for (const answer of answers) expect(structured(await answer)).toMatchObject({ status: 'completed' });
  expect(structured(await again({ inputResponses: reject }))).toMatchObject({ status: 'completed' });
  expect(run.answers).toHaveLength(1);
  expect(await countTasks()).toBe(1);
});

test('without an answer the form is asked again; closed, it is answered as to a client without forms', async () => {
  const { run, again, countTasks } = await asking();
  for (const inputResponses of [{}, { per_2: ONCE }, { per_1: { method: 'x', result: ONCE } }]) {
    question.parse((await again({ inputResponses })).result);
  }
  const closed = await again({ inputResponses: { per_1: { action: 'cancel' } } });
  expect(structured(closed)).toMatchObject({ status: 'input_required', requests: [{ id: 'per_1' }] });
  expect(run.answers).toEqual([]);
  expect(await countTasks()).toBe(1);
});

test('a repeated call is said to be one after its question too', async () => {
  const { agent, id, run, order } = await asking({ idempotency_key: 'k' });
  const headers = { 'x-agent-id': agent };
  const first = await called(sendCall('opencode_execute_task', order, {}, headers));
  const { requestState } = question.parse(first.result);
  const round = { requestState, inputResponses: { per_1: ONCE } };
  const answer = called(sendCall('opencode_execute_task', order, round, headers));
  await server.bridge.until(id, () => run.answers.length === 1);
  run.complete('made');
  expect(structured(await answer)).toMatchObject({ task_id: id, repeated: true });
});

describe('a state is refused', () => {
  test.each([
    [
      'that was changed',
      (state: string) =>
        state.replace(/\.(.)([^.]*)$/, (_, first, rest) => `.${first === 'A' ? 'B' : 'A'}${rest}`),
    ],
    ['whose content was changed', (state: string) => state.replace('.', '.e')],
    ['that is none', () => 'x'],
    ['that is empty', () => ''],
    ['that is endless', () => 'v1.'.repeat(100_000)],
  ])('%s', async (_, change) => {
    const { run, requestState, again, countTasks } = await asking();
    expect(await again({ requestState: change(requestState) })).toMatchObject(REFUSED);
    expect(run.answers).toEqual([]);
    expect(await countTasks()).toBe(1);
  });

  test.each([7, null, { v: 1 }])('that is %j', async (requestState) => {
    const { run, again, countTasks } = await asking();
    expect(await again({ requestState })).toMatchObject({ error: { code: -32602 } });
    expect(run.answers).toEqual([]);
    expect(await countTasks()).toBe(1);
  });

  test('of another agent, by header and by argument', async () => {
    const { run, order, again } = await asking();
    expect(await again({}, { as: 'stranger' })).toMatchObject(REFUSED);
    expect(await again({}, { given: { ...order, agent_id: 'stranger' } })).toMatchObject(REFUSED);
    expect(run.answers).toEqual([]);
  });

  test('of another call: tool, arguments', async () => {
    const { id, run, order, again, countTasks } = await asking();
    const other = { ...order, task_description: 'something else' };
    expect(await again({}, { given: other })).toMatchObject(REFUSED);
    const status = { name: 'get_task_status', given: { task_id: id, wait_ms: 1_000 } };
    expect(await again({}, status)).toMatchObject(REFUSED);
    expect(await again({}, { name: 'list_tasks', given: {} })).toMatchObject(REFUSED);
    expect(run.answers).toEqual([]);
    expect(await countTasks()).toBe(1);
  });

  test('after ten minutes', async () => {
    const { run, again } = await asking();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 });
    expect(await again({})).toMatchObject(REFUSED);
    vi.useRealTimers();
    expect(run.answers).toEqual([]);
  });
});

test('a state says nothing of the key, and nothing that its client does not know', async () => {
  const { id, requestState } = await asking();
  const [, body = ''] = requestState.split('.');
  const { p } = z
    .object({ p: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(String(Buffer.from(body, 'base64url'))));
  expect(p).toEqual({ taskId: id, repeated: false, requests: ['per_1'], call: expect.any(String) });
  expect(server.bridge.logger.lines.join('\n')).not.toContain(Buffer.from(KEY).toString('base64'));
});

test('a client with Tasks is asked there and not by a call that waits', async () => {
  const { agent, id } = await asking();
  const headers = { 'x-agent-id': agent };
  const args = { task_id: id, wait_ms: 5_000 };
  const answer = await called(
    callTool(server.url, 'get_task_status', args, { capabilities: WITH_FORMS, headers }),
  );
  expect(structured(answer)).toMatchObject({ status: 'input_required' });
});
