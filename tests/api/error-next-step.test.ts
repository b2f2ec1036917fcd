import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BridgeError } from '../../src/errors.ts';
import { describeError } from '../../src/matrix/inbound/replies.ts';
import { TOOLS } from '../../src/mcp/tools/index.ts';
import { SESSION_RULES } from '../../src/runners/opencode-protocol/session-rules.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { startScriptedBridge, type TestClient } from '../mcp/bridge.ts';

const SRC = join(import.meta.dirname, '../../src');

let bridge: Awaited<ReturnType<typeof startScriptedBridge>>;
let client: TestClient;

beforeEach(async () => {
  bridge = await startScriptedBridge({ limits: { maxConcurrent: 1 } });
  client = await bridge.client();
});
afterEach(() => bridge[Symbol.asyncDispose]());

test('the domain does not know the tools: what it says fits every edge', () => {
  const words = [...TOOLS.map(({ name }) => name), 'continue_task_id'].filter((name) => name.includes('_'));
  // That one denies tasks the tools of any bridge, by name.
  const rules = 'runners/opencode-protocol/session-rules.ts';
  const files = globSync('{execution,runners,workspaces,store,tasks}/**/*.ts', { cwd: SRC }).filter(
    (file) => file !== rules,
  );
  expect(files.length).toBeGreaterThan(50);
  const named = files.flatMap((file) => {
    const source = readFileSync(join(SRC, file), 'utf8');
    return words.filter((word) => source.includes(word)).map((word) => `${file}: ${word}`);
  });
  expect(named).toEqual([]);
});

test('in OpenCode, a task is denied every tool of a bridge that changes something', () => {
  const changing = TOOLS.filter(({ annotations }) => !annotations.readOnlyHint).map(
    ({ name }) => `*_${name}`,
  );
  expect(SESSION_RULES.map(({ permission }) => permission).sort()).toEqual(changing.sort());
  expect(SESSION_RULES.every(({ pattern, action }) => pattern === '*' && action === 'deny')).toBe(true);
});

test.each([
  'ABORTED_EXTERNALLY',
  'BUDGET_EXCEEDED',
  'CONTENT_FILTERED',
  'ENGINE_ERROR',
  'ENGINE_LOST',
  'OUTPUT_LIMIT',
  'OUT_OF_MEMORY',
  'PROVIDER_AUTH',
  'PROVIDER_ERROR',
  'TIMEOUT',
  'TURN_NEVER_STARTED',
  'TURN_STALLED',
  'TURN_STOPPED',
])('a task that failed with %s says in both forms how to go on', async (code) => {
  const task_id = await client.start();
  const run = await bridge.runner.turnOf(task_id);
  run.emit({ kind: 'attached', session_id: run.sessionId, prompt_id: 'msg_1' });
  bridge.log.append(task_id, { kind: 'failed', error: { code, message: 'It failed.' } });
  const { structured, text } = await client.ok('get_task_status', { task_id });
  const next = String(structured.next);
  expect(next).toContain(`opencode_execute_task with continue_task_id "${task_id}"`);
  expect(next).not.toMatch(/^To go on in the same session/);
  expect(structured.error).toEqual({ code, message: 'It failed.', next });
  expect(text).toContain(`Next: ${next}`);
});

test('words that an older bridge stored with an error are shown as they are', async () => {
  const task_id = await client.start();
  await bridge.runner.turnOf(task_id);
  const error = { code: 'TIMEOUT', message: 'Too long.', next: 'Continue with continue_task_id.' };
  bridge.log.append(task_id, { kind: 'timeout', error });
  const { structured } = await client.ok('get_task_status', { task_id });
  expect(structured).toMatchObject({ status: 'timeout', error, next: error.next });
});

test('refusals say the way out in the words of the tools', async () => {
  const running = await client.start();
  const queued = await client.start();
  const next = async (name: string, args: Record<string, unknown>) => {
    const { error } = await client.call(name, args);
    return `${error?.code}: ${error?.next}`;
  };
  expect(await next('send_task_control', { task_id: queued, control: 'pause' })).toMatch(
    /^INVALID_STATE: .*get_task_status with task_id "task_\w+" and wait_ms/,
  );
  await client.ok('send_task_control', { task_id: queued, control: 'cancel' });
  expect(await next('send_task_message', { task_id: queued, message: 'x' })).toContain(
    `opencode_execute_task with continue_task_id "${queued}"`,
  );
  const go = { task_description: 'go on' };
  expect(await next('opencode_execute_task', { ...go, continue_task_id: queued })).toBe(
    'INVALID_STATE: Start a new task without continue_task_id.',
  );
  const run = await bridge.runner.turnOf(running);
  expect(await next('read_task_file', { task_id: running, file_path: 'none' })).toMatch(
    /^FILE_NOT_FOUND: .*get_task_files/,
  );
  expect(await next('read_task_file', { task_id: running, file_path: '../x' })).toContain('get_task_files');
  expect(await next('get_task_status', { task_id: 'task_0' })).toMatch(
    /^TASK_NOT_FOUND: list_tasks.*TASK_RETENTION/,
  );
  run.complete('done');
  await bridge.until(running, ({ status }) => isEnd(status));
  const second = await client.start({ continue_task_id: running });
  await bridge.runner.turnOf(second);
  expect(await next('opencode_execute_task', { ...go, continue_task_id: running })).toContain(
    `send_task_message on ${second}`,
  );
});

test('people in Matrix are told in words of their own', () => {
  const ended = new BridgeError('INVALID_STATE', 'It has ended.', {
    reason: { kind: 'task_ended', taskId: 't' },
  });
  const queued = new BridgeError('INVALID_STATE', 'It waits.', {
    reason: { kind: 'task_queued', taskId: 't' },
  });
  expect(describeError(ended)).toMatch(/^It has ended\.\nThe agent/);
  expect(describeError(queued)).toContain('!cancel');
  expect(describeError(ended) + describeError(queued)).not.toMatch(/continue_task_id|get_task/);
});
