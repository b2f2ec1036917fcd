import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { InputRequest, TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { ask, bash, subagent } from '../support/steps.ts';

let bridge: Bridge;
let directory: string;

beforeAll(async () => {
  bridge = await startBridge({ config: { permission: { bash: 'ask' } } });
  directory = await folder('shared');
});
afterAll(() => bridge.close());

async function folder(name: string): Promise<string> {
  const path = join(bridge.workspaceDir, name);
  await mkdir(path, { recursive: true });
  return path;
}

async function opened(on: Bridge, task: Task, after = 0): Promise<InputRequest & { seq: number }> {
  const event = await on.until(task, ({ kind }) => kind === 'request_opened', after);
  if (event.kind !== 'request_opened') throw new Error('unreachable');
  return { ...event.request, seq: event.seq };
}

const closings = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'request_closed' ? [event] : []));
const lastPrompt = (on: Bridge, task: Task) => JSON.stringify(on.asked(task).at(-1)?.messages);
const finished = (event: TaskEvent) => event.kind === 'tool' && event.phase === 'finished';

it('shows a permission as a request; once lets the one command run', async () => {
  const task = await bridge.start([bash('echo one'), bash('echo two'), { text: 'ok' }], {
    directory,
  });
  const first = await opened(bridge, task);
  expect(bridge.now(task)).toMatchObject({
    status: 'input_required',
    requests: [
      {
        id: first.id,
        type: 'permission',
        title: 'Allow bash: echo one',
        permission: 'bash',
        patterns: ['echo one'],
        session_id: bridge.now(task).sessionId,
        expires_at: expect.any(Number),
      },
    ],
  });
  const after = await bridge.execution.answer(task, first.id, { reply: 'once' }, 'tester');
  expect(after).toMatchObject({ status: 'running', requests: [] });
  const second = await opened(bridge, task, first.seq);
  expect(second.patterns).toEqual(['echo two']);
  await bridge.execution.answer(task, second.id, { reply: 'once' }, 'tester');
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'ok' } });
  expect(closings(task)).toMatchObject([
    { request_id: first.id, by: 'tester', reply: 'once' },
    { request_id: second.id, by: 'tester', reply: 'once' },
  ]);
});

it('always lets the next such command run unasked', async () => {
  // What is allowed always, is so for all sessions in the folder.
  const task = await bridge.start([bash('echo one'), bash('echo two'), { text: 'ok' }], {
    directory: await folder('lenient'),
  });
  const { id } = await opened(bridge, task);
  await bridge.execution.answer(task, id, { reply: 'always' }, 'tester');
  expect((await bridge.end(task)).status).toBe('completed');
  expect(closings(task)).toMatchObject([{ request_id: id, reply: 'always' }]);
});

it.each([{ message: 'Use printf instead.' }, {}])('reject lets the model go on (%o)', async (words) => {
  const task = await bridge.start([bash('echo one'), { text: 'Then not.' }], {
    directory,
  });
  const { id } = await opened(bridge, task);
  await bridge.execution.answer(task, id, { reply: 'reject', ...words }, 'tester');
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'Then not.' } });
  expect(lastPrompt(bridge, task)).toContain(words.message ?? 'Rejected by tester');
  expect(closings(task)).toMatchObject([{ request_id: id, by: 'tester', reply: 'reject', ...words }]);
});

it('unanswered is rejected with a reason at the deadline, and the model goes on', async () => {
  await using hasty = await startBridge({ on: bridge, requests: { timeoutMs: 1_500 } });
  const steps = [bash('echo one'), ask('Which color?', 'Red', 'Blue'), { text: 'By myself.' }];
  const task = await hasty.run(steps);
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'By myself.' } });
  const events = hasty.events(task);
  const asked = events.flatMap((event) => (event.kind === 'request_opened' ? [event] : []));
  const closed = events.flatMap((event) => (event.kind === 'request_closed' ? [event] : []));
  expect(asked).toHaveLength(2);
  expect(closed).toMatchObject([
    { by: 'deadline', reply: 'reject', message: expect.stringContaining('Nobody answered within 2 s') },
    { by: 'deadline', message: expect.stringContaining('Nobody answered') },
  ]);
  for (const [index, { at, request }] of asked.entries()) {
    expect(request.expires_at).toBeGreaterThanOrEqual(at + 1_400);
    expect((closed[index]?.at ?? 0) - at).toBeGreaterThanOrEqual(1_400);
    expect((closed[index]?.at ?? 0) - at).toBeLessThan(15_000);
  }
  expect(lastPrompt(hasty, task).match(/Nobody answered within 2 s/g)).toHaveLength(2);
});

it('shows a question with its options, and hands the answer to the model', async () => {
  const task = await bridge.start([ask('Which color?', 'Red', 'Blue'), { text: 'thanks' }], { directory });
  const request = await opened(bridge, task);
  expect(bridge.now(task)).toMatchObject({
    status: 'input_required',
    requests: [
      {
        type: 'question',
        title: 'Which color?',
        questions: [
          {
            question: 'Which color?',
            header: 'Question',
            options: [
              { label: 'Red', description: 'Red' },
              { label: 'Blue', description: 'Blue' },
            ],
          },
        ],
      },
    ],
  });
  await bridge.execution.answer(task, request.id, { answers: [['Blue']] }, 'tester');
  expect((await bridge.end(task)).status).toBe('completed');
  expect(lastPrompt(bridge, task)).toContain('\\"Which color?\\"=\\"Blue\\"');
  expect(closings(task)).toMatchObject([{ by: 'tester', reply: 'Blue' }]);
});

it.each([
  [{}, 'give `answers`'],
  [{ reply: 'once' as const }, 'give `answers`'],
  [{ answers: [['Red'], ['Blue']] }, 'one list of labels for each of its 1 questions'],
])('refuses an answer that does not fit a question (%o)', async (answer, why) => {
  const task = await bridge.start([ask('Which color?', 'Red', 'Blue'), { text: 'thanks' }], { directory });
  const { id } = await opened(bridge, task);
  await expect(bridge.execution.answer(task, id, answer, 'tester')).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining(why),
  });
  expect(bridge.now(task).status).toBe('input_required');
  const reject = { reply: 'reject' as const, message: 'I do not mind.' };
  await bridge.execution.answer(task, id, reject, 'tester');
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'thanks' } });
  expect(lastPrompt(bridge, task)).toContain('I do not mind.');
});

it('refuses an answer that does not fit a permission, and one to a request that never was', async () => {
  const task = await bridge.start([bash('echo one')], { directory });
  const { id } = await opened(bridge, task);
  const wrong = bridge.execution.answer(task, id, { answers: [['Yes']] }, 'tester');
  await expect(wrong).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  const unknown = bridge.execution.answer(task, 'per_nope', { reply: 'once' }, 'tester');
  await expect(unknown).rejects.toMatchObject({ code: 'REQUEST_NOT_FOUND' });
  await bridge.execution.cancel(task, 'tester', undefined);
});

it('tells the second who was first: at the same time and after', async () => {
  const task = await bridge.start([bash('echo one'), { text: 'ok' }], { directory });
  const { id } = await opened(bridge, task);
  const both = await Promise.allSettled([
    bridge.execution.answer(task, id, { reply: 'once' }, 'Alice'),
    bridge.execution.answer(task, id, { reply: 'reject' }, 'Bob'),
  ]);
  const tooLate = {
    code: 'REQUEST_CLOSED',
    message: `Request "${id}" was already answered by Alice: once.`,
  };
  expect(both).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: tooLate }]);
  const later = bridge.execution.answer(task, id, { reply: 'reject' }, 'Carol');
  await expect(later).rejects.toMatchObject(tooLate);
  expect((await bridge.end(task)).status).toBe('completed');
  const muchLater = bridge.execution.answer(task, id, { reply: 'reject' }, 'Dave');
  await expect(muchLater).rejects.toMatchObject(tooLate);
  expect(closings(task)).toMatchObject([{ by: 'Alice', reply: 'once' }]);
});

it('policy allow answers a permission itself, and asks questions all the same', async () => {
  await using lenient = await startBridge({ on: bridge, requests: { policy: 'allow' } });
  const task = await lenient.start([bash('echo one'), ask('Which?', 'A', 'B'), { text: 'ok' }]);
  const question = await lenient.until(
    task,
    (event) => event.kind === 'request_opened' && event.request.type === 'question',
  );
  if (question.kind !== 'request_opened') return;
  await lenient.execution.answer(task, question.request.id, { answers: [['A']] }, 'tester');
  expect((await lenient.end(task)).status).toBe('completed');
  expect(lenient.events(task)).toContainEqual(
    expect.objectContaining({ kind: 'request_closed', by: 'policy allow', reply: 'once' }),
  );
  expect(lenient.events(task).find(finished)).toMatchObject({ ok: true, output: 'one\n' });
});

it('policy reject refuses it with a reason, and the model goes on', async () => {
  await using strict = await startBridge({ on: bridge, requests: { policy: 'reject' } });
  const task = await strict.run([bash('echo one'), { text: 'Then not.' }]);
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'Then not.' } });
  expect(strict.events(task)).toContainEqual(
    expect.objectContaining({ kind: 'request_closed', by: 'policy reject', reply: 'reject' }),
  );
  expect(lastPrompt(strict, task)).toContain('The operator allows no such actions here');
});

it('a permission of a subagent surfaces and can be answered', async () => {
  const task = await bridge.start(
    [subagent([bash('echo sub'), { text: 'sub done' }]), { text: 'parent done' }],
    { directory },
  );
  const request = await opened(bridge, task);
  expect(request.session_id).not.toBe(bridge.now(task).sessionId);
  await bridge.execution.answer(task, request.id, { reply: 'once' }, 'tester');
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'parent done' } });
  expect(bridge.events(task)).toContainEqual(expect.objectContaining({ tool: 'bash', output: 'sub\n' }));
});

it('leaves no ghost of a request behind in OpenCode', async () => {
  const task = await bridge.start([bash('echo one')], { directory });
  await opened(bridge, task);
  await bridge.execution.cancel(task, 'tester', undefined);
  expect((await bridge.client.permission.list({ directory })).data).toEqual([]);
  const next = await bridge.run([{ text: 'ok' }], { continueTaskId: task.id });
  expect(next.status).toBe('completed');
  expect(bridge.events(next).map(({ kind }) => kind)).not.toContain('request_opened');
});

it('two requests at once are open both, and each is answered', async () => {
  const both = { tools: [...(bash('echo one').tools ?? []), ...(bash('printf two').tools ?? [])] };
  const task = await bridge.start([both, { text: 'ok' }], { directory });
  const first = await opened(bridge, task);
  const second = await opened(bridge, task, first.seq);
  expect(bridge.now(task).requests).toHaveLength(2);
  await bridge.execution.answer(task, second.id, { reply: 'once' }, 'tester');
  expect(bridge.now(task).status).toBe('input_required');
  const last = await bridge.execution.answer(task, first.id, { reply: 'once' }, 'tester');
  expect(last.status).toBe('running');
  expect((await bridge.end(task)).status).toBe('completed');
});
