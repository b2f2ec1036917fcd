import type { ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startServer } from '../http/server.ts';
import { FORM_CLIENTS, type FormClient, type Person, type ShownForm } from './form-client.ts';

let server: Awaited<ReturnType<typeof startServer>>;
const clients: FormClient[] = [];

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 100 } });
});
afterEach(async () => {
  server.bridge.services.elicitation = 'auto';
  for (const client of clients.splice(0)) await client.close();
});
afterAll(() => server[Symbol.asyncDispose]());

const PERMISSION = { type: 'permission' as const, permission: 'bash', patterns: ['rm -rf build'] };
const ONCE = { action: 'accept' as const, content: { reply: 'once' } };
const ORDER = 'opencode_execute_task';
type Kind = keyof typeof FORM_CLIENTS;
const KINDS = Object.keys(FORM_CLIENTS) as Kind[];
let count = 0;

/** A sync call of a client, and the run of the task that it created. */
async function syncCall(kind: Kind, person: Person | undefined) {
  const client = await connect(kind, person);
  count += 1;
  const agent_id = `agent ${count}`;
  const call = { task_description: 'do it', sync: true, idempotency_key: 'key', agent_id };
  const answer = client.call(ORDER, call);
  answer.catch(() => undefined);
  const id = await vi.waitUntil(async () => (await tasksOf(agent_id))[0], { timeout: 60_000 });
  const run = await server.bridge.runner.turnOf(id);
  const wait = (wait_ms = 50_000) => client.call('get_task_status', { task_id: id, agent_id, wait_ms });
  return { client, answer, call, agent_id, id, run, wait };
}

/** A person who answers when the test says so. */
function slowPerson() {
  const forms: { form: ShownForm; answer: (result: ElicitResult) => void }[] = [];
  const person: Person = (form) => {
    const { promise, resolve } = Promise.withResolvers<ElicitResult>();
    forms.push({ form, answer: resolve });
    return promise;
  };
  const shown = (n = 1) => vi.waitUntil(() => forms[n - 1], { timeout: 60_000, interval: 5 });
  return { person, forms, shown };
}

async function connect(kind: Kind, person?: Person): Promise<FormClient> {
  const client = await FORM_CLIENTS[kind].connect(server.url, { person });
  clients.push(client);
  return client;
}

async function tasksOf(agentId: string): Promise<string[]> {
  const { tasks } = await server.bridge.execution.list({ agentId, limit: 10 });
  return tasks.map(({ id }) => id);
}

function closings(id: string) {
  const events = server.bridge.log.store.events(id, 0, 1_000);
  return events.flatMap((event) => (event.kind === 'request_closed' ? [event] : []));
}

describe.each(KINDS)('a call that waits, of %s', (kind) => {
  const hasSession = FORM_CLIENTS[kind].era === 'sessions';

  test('shows a permission to the user, and goes on with the answer', async () => {
    const { person, forms } = slowPerson();
    const { answer, run, id, agent_id } = await syncCall(kind, async (form) => {
      void person(form);
      return ONCE;
    });
    run.ask({ id: 'per_1', ...PERMISSION });
    await server.bridge.until(id, () => run.answers.length === 1);
    run.complete('made');
    expect(await answer).toMatchObject({ task_id: id, status: 'completed', repeated: false });
    expect(forms.map(({ form }) => form)).toMatchObject([
      {
        mode: 'form',
        message: 'OpenCode wants to use bash: rm -rf build',
        requestedSchema: { required: ['reply'] },
      },
    ]);
    expect(run.answers).toEqual([{ requestId: 'per_1', answer: { type: 'permission', reply: 'once' } }]);
    expect(closings(id), 'as the tool and the API have it').toMatchObject([{ by: agent_id, reply: 'once' }]);
    expect(await tasksOf(agent_id), 'a repeated call creates no second task').toEqual([id]);
  });

  test('shows one request after the other', async () => {
    const { answer, run, id } = await syncCall(kind, ({ message }) =>
      message.includes('one') ? ONCE : { action: 'accept', content: { q0: 'red' } },
    );
    run.ask({ id: 'per_1', ...PERMISSION, patterns: ['one'] });
    await server.bridge.until(id, () => run.answers.length === 1);
    const questions = [{ header: 'Color', question: 'Which?', options: [option('red'), option('blue')] }];
    run.ask({ id: 'que_1', type: 'question', title: 'asks', questions });
    await server.bridge.until(id, () => run.answers.length === 2);
    run.complete('made');
    expect(await answer).toMatchObject({ status: 'completed' });
    expect(run.answers[1]?.answer).toEqual({ type: 'question', answers: [['red']] });
  });

  test('rejects what the user declines', async () => {
    const { answer, run, id } = await syncCall(kind, () => ({ action: 'decline' }));
    run.ask({ id: 'per_1', ...PERMISSION });
    await server.bridge.until(id, () => run.answers.length === 1);
    run.complete('did without');
    expect(await answer).toMatchObject({ status: 'completed' });
    expect(run.answers[0]?.answer).toMatchObject({
      reply: 'reject',
      message: 'Declined by the user. Continue without it.',
    });
  });

  test('leaves a request open whose form is closed, and says how else to answer', async () => {
    const forms: ShownForm[] = [];
    const { answer, run, id, wait } = await syncCall(kind, (form) => {
      forms.push(form);
      return { action: 'cancel' };
    });
    run.ask({ id: 'per_1', ...PERMISSION });
    const asked = {
      status: 'input_required',
      requests: [{ id: 'per_1' }],
      next: expect.stringContaining('answer_task_request'),
    };
    expect(await answer).toMatchObject(asked);
    expect(forms).toHaveLength(1);
    expect(await wait()).toMatchObject(asked);
    expect(forms, 'a session remembers that').toHaveLength(hasSession ? 1 : 2);
    expect(run.answers).toEqual([]);
    run.ask({ id: 'per_2', ...PERMISSION });
    await server.bridge.until(id, ({ requests }) => requests.length === 2);
    expect(await wait()).toMatchObject({ status: 'input_required' });
    expect(forms, 'another request is shown').toHaveLength(hasSession ? 2 : 4);
  });

  test('goes on when somebody else answers first; the form comes too late', async () => {
    const { person, shown } = slowPerson();
    const { answer, run, id } = await syncCall(kind, person);
    run.ask({ id: 'per_1', ...PERMISSION });
    const { form, answer: fillIn } = await shown();
    const task = server.bridge.log.get(id);
    if (!task) throw new Error('no task');
    await server.bridge.execution.answer(task, 'per_1', { reply: 'reject' }, '@eve:example.org');
    if (hasSession) await vi.waitUntil(() => form.withdrawn.aborted, { timeout: 60_000 });
    fillIn({ action: 'accept', content: { reply: 'always' } });
    run.complete('did without');
    expect(await answer).toMatchObject({ status: 'completed' });
    expect(run.answers).toHaveLength(1);
    expect(closings(id)).toMatchObject([{ by: '@eve:example.org', reply: 'reject' }]);
  });

  test.each([
    ['another word', { reply: 'yes' }],
    ['nothing', {}],
    ['too long a text', { reply: 'reject', message: 'x'.repeat(3_000) }],
  ])('takes %s for no answer', async (_, content) => {
    const { answer, run, wait } = await syncCall(kind, () => ({ action: 'accept', content }) as ElicitResult);
    run.ask({ id: 'per_1', ...PERMISSION });
    const results = [await answer.catch(String), await wait(10_000).catch(String)];
    // A client that checks its own answers ends its call.
    for (const result of results) {
      if (typeof result !== 'string') expect(result).toMatchObject({ status: 'input_required' });
      else expect(result).toContain('schema');
    }
    expect(run.answers).toEqual([]);
  });

  test('of a client without forms answers what is asked, as ever', async () => {
    const { answer, run } = await syncCall(kind, undefined);
    run.ask({ id: 'per_1', ...PERMISSION });
    expect(await answer).toMatchObject({ status: 'input_required', requests: [{ id: 'per_1' }] });
  });

  test('without wait_ms shows nothing', async () => {
    const { person, forms } = slowPerson();
    const client = await connect(kind, person);
    count += 1;
    const agent_id = `agent ${count}`;
    const { task_id } = await client.call(ORDER, { task_description: 'x', agent_id });
    const run = await server.bridge.runner.turnOf(String(task_id));
    run.ask({ id: 'per_1', ...PERMISSION });
    await server.bridge.until(String(task_id), ({ status }) => status === 'input_required');
    expect(await client.call('get_task_status', { task_id, agent_id })).toMatchObject({
      status: 'input_required',
    });
    expect(forms).toEqual([]);
  });
});

test.each(KINDS)('with ELICITATION=off a call of %s shows nothing', async (kind) => {
  server.bridge.services.elicitation = 'off';
  const { person, forms } = slowPerson();
  const { answer, run } = await syncCall(kind, person);
  run.ask({ id: 'per_1', ...PERMISSION });
  expect(await answer).toMatchObject({ status: 'input_required' });
  expect(forms).toEqual([]);
});

function option(label: string) {
  return { label, description: label };
}
