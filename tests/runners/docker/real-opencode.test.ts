import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { textOf } from '../../../src/cli/demo/scripted-model/chat.ts';
import type { TaskEvent } from '../../../src/tasks/events.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { containersOf, type DockerBridge, engine, startDockerBridge } from '../../support/docker.ts';
import { bash, write } from '../../support/steps.ts';

vi.setConfig({ testTimeout: 180_000 });

// Behaviour that depends on OpenCode itself. Tests of the container alone are in tasks.test.ts.
const SOFT = { permission: { bash: { '*': 'allow', 'git *': 'ask' } } };
let bridge: DockerBridge;
beforeAll(async () => {
  if (engine.absent === undefined) bridge = await startDockerBridge({ config: SOFT });
});
afterAll(() => bridge?.close());
beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

const is = (kind: TaskEvent['kind']) => (event: TaskEvent) => event.kind === kind;
const eventsOf = (task: Task) => JSON.stringify(bridge.events(task), undefined, 1);
const gone = (task: Task) =>
  vi.waitUntil(async () => (await containersOf(task)).length === 0, { timeout: 20_000 });
const outputOf = (task: Task): string =>
  bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' ? [event.output] : []))
    .join('');

it('writes a file, runs a command, and leaves nothing but its folder', async () => {
  const task = await bridge.run([write('a.txt', 'hi\n'), bash('cat a.txt; exit 3'), { text: 'Done.' }]);
  expect(task, eventsOf(task)).toMatchObject({
    status: 'completed',
    result: {
      summary: 'Done.',
      finish: 'stop',
      files_changed: [{ path: 'a.txt', change: 'added' }],
      exit_code: 0,
    },
    usage: { input_tokens: 300, output_tokens: 60 },
  });
  expect(bridge.events(task).filter(is('tool'))).toMatchObject([
    { tool: 'write', phase: 'finished', ok: true },
    { tool: 'bash', phase: 'finished', ok: false, exit_code: 3, output: 'hi\n' },
  ]);
  expect(await readFile(join(task.directory, 'a.txt'), 'utf8')).toBe('hi\n');
  await gone(task);
});

/** The messages of the last model request that contains this text. */
const conversation = (text: string): string[] => {
  const has = bridge.model.requests.filter(({ messages }) =>
    messages.some((each) => textOf(each).includes(text)),
  );
  return (has.at(-1)?.messages ?? []).filter(({ role }) => role !== 'system').map(textOf);
};

describe('the session continues', () => {
  it('with a message, after the present run', async () => {
    const task = await bridge.start([bash('sleep 1'), { text: 'First.' }]);
    await bridge.until(task, is('attached'));
    await bridge.execution.message(task, 'human', 'And the second?', 'queue');
    expect(await bridge.end(task), eventsOf(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'Understood: And the second?' },
    });
    const messages = conversation('And the second?');
    expect(messages).toContain('First.');
    expect(task.usage.input_tokens).toBe(0);
    expect(bridge.now(task).usage.input_tokens).toBe(300);
  });

  it('with continue_task_id, in the same folder', async () => {
    const first = await bridge.run([write('kept.txt', 'x'), { text: 'Remember the word crocus.' }]);
    const second = await bridge.run([bash('cat kept.txt')], { continueTaskId: first.id });
    expect(second).toMatchObject({ status: 'completed', sessionId: first.sessionId });
    expect(outputOf(second)).toBe('x');
    expect(second.usage.input_tokens).toBe(200);
    expect(conversation('cat kept.txt')).toContain('Remember the word crocus.');
  });
});

describe('a failure is reported with its cause', () => {
  it('an unknown agent: no other agent is used', async () => {
    const task = await bridge.run([write('a.txt', 'x')], { agent: 'nope' });
    expect(task).toMatchObject({ status: 'failed', error: { code: 'AGENT_NOT_FOUND' } });
  });

  it('an unknown model', async () => {
    const task = await bridge.run([{ text: 'no' }], { model: 'mock/nope' });
    expect(task, eventsOf(task)).toMatchObject({
      status: 'failed',
      error: { code: expect.stringMatching(/^(MODEL_NOT_FOUND|ENGINE_ERROR)$/) },
    });
  });

  it('refused credentials', async () => {
    const task = await bridge.run([{ fail: { status: 401 } }]);
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'PROVIDER_AUTH' },
      result: { exit_code: 1 },
    });
  });
});

it('PERMISSION_POLICY=reject: each permission is rejected and reported', async () => {
  await using strict = await startDockerBridge({ config: SOFT, container: { permissions: 'reject' } });
  const task = await strict.run([bash('git status'), { text: 'never said' }]);
  expect(task).toMatchObject({ status: 'failed', error: { code: 'TURN_STOPPED' } });
  expect(task.error?.message).toContain('git status');
  expect(strict.events(task).filter(is('warning'))).toMatchObject([{ code: 'PERMISSION_REJECTED' }]);
});
