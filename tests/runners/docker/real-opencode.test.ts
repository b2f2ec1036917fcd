import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { textOf } from '../../../src/cli/demo/scripted-model/chat.ts';
import type { TaskEvent } from '../../../src/tasks/events.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { containersOf, type DockerBridge, engine, startDockerBridge } from '../../support/docker.ts';
import { bash, write } from '../../support/steps.ts';

// Behaviour that depends on OpenCode itself. Tests of the container alone are in tasks.test.ts.
const SOFT = { permission: { bash: { '*': 'allow', 'git *': 'ask' } } };
let bridge: DockerBridge;
let registry: Awaited<ReturnType<typeof startRegistry>>;
beforeAll(async () => {
  registry = await startRegistry();
  const variables = { npm_config_registry: registry.url };
  if (engine.absent === undefined) bridge = await startDockerBridge({ config: SOFT, variables });
});
afterAll(async () => {
  await bridge?.close();
  await registry.close();
});
beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

/** A registry of npm that has no package; notes which are asked for. */
async function startRegistry() {
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    // Hostile commands of other tests ask every port of this machine.
    if (incoming.url?.startsWith('/@')) asked.push(incoming.url);
    outgoing.writeHead(404).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  };
  return { url: `http://127.0.0.1:${port}/`, asked, close };
}

const is = (kind: TaskEvent['kind']) => (event: TaskEvent) => event.kind === kind;
const eventsOf = (task: Task) => JSON.stringify(bridge.events(task), undefined, 1);
const gone = (task: Task) =>
  vi.waitUntil(async () => (await containersOf(task)).length === 0, { timeout: 60_000 });
const outputOf = (task: Task): string =>
  bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' ? [event.output] : []))
    .join('');

const SETTINGS = { temperature: 0.25, max_tokens: 777, system_prompt: 'SPEAK LIKE A SAILOR' };
/** The settings of each request of the conversation in which somebody said this. */
const settingsIn = (words: string) =>
  bridge.model.requests.flatMap(({ temperature, maxTokens, messages }) => {
    if (!messages.some((each) => textOf(each).includes(words))) return [];
    const system = messages.filter(({ role }) => role === 'system').map(textOf);
    return [{ temperature, maxTokens, isSailor: system.join().includes('SPEAK LIKE A SAILOR') }];
  });

it('has options for its runtime that its commands do not inherit', async () => {
  const task = await bridge.run([
    bash(`env | grep ^BUN_; tr '\\0' '\\n' < /proc/$PPID/environ | grep ^BUN_JSC`),
    { text: 'Done.' },
  ]);
  expect(outputOf(task).trim().split('\n').sort(), eventsOf(task)).toEqual([
    'BUN_JSC_forceRAMSize=2500000000',
    'BUN_JSC_largeHeapSize=268435456',
    'BUN_JSC_thresholdForJITAfterWarmUp=1000',
    'BUN_JSC_thresholdForOptimizeAfterWarmUp=3000',
    'BUN_JSC_useFTLJIT=0',
  ]);
});

it('writes a file, runs a command with the settings of the model, and leaves nothing but its folder', async () => {
  const steps = [write('a.txt', 'hi\n'), bash('cat a.txt; exit 3'), { text: 'Remember the word crocus.' }];
  const task = await bridge.run(steps, { model: 'mock/m1', modelConfig: SETTINGS });
  expect(task, eventsOf(task)).toMatchObject({
    status: 'completed',
    result: {
      summary: 'Remember the word crocus.',
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
  const sailor = { temperature: 0.25, maxTokens: 777, isSailor: true };
  expect(settingsIn('the word crocus')).toEqual([sailor, sailor, sailor]);

  // The session continues with continue_task_id, in the same folder, with what is new of the settings.
  const next = { continueTaskId: task.id, modelConfig: { temperature: 0.5 } };
  const second = await bridge.run([bash('cat a.txt')], next);
  expect(second, eventsOf(second)).toMatchObject({
    status: 'completed',
    sessionId: task.sessionId,
    modelConfig: { ...SETTINGS, temperature: 0.5 },
  });
  expect(outputOf(second)).toBe('hi\n');
  expect(second.usage.input_tokens).toBe(200);
  const asked = bridge.model.requests.findLast(({ messages }) =>
    messages.some((each) => textOf(each).includes('"cat a.txt"')),
  );
  expect(asked?.messages.map(textOf)).toContain('Remember the word crocus.');
  const warmer = { ...sailor, temperature: 0.5 };
  expect(settingsIn('the word crocus')).toEqual([sailor, sailor, sailor, warmer, warmer]);
  // Each container has a new home, into which OpenCode would install the SDK of its plugins.
  expect(registry.asked).toEqual([]);
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
});

it('PERMISSION_POLICY=reject: each permission is rejected and reported', async () => {
  await using strict = await startDockerBridge({ config: SOFT, container: { permissions: 'reject' } });
  const task = await strict.run([bash('git status'), { text: 'never said' }]);
  expect(task).toMatchObject({ status: 'failed', error: { code: 'TURN_STOPPED' } });
  expect(task.error?.message).toContain('git status');
  expect(strict.events(task).filter(is('warning'))).toMatchObject([{ code: 'PERMISSION_REJECTED' }]);
});
