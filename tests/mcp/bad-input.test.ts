import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startScriptedBridge, type TestClient } from './bridge.ts';

let bridge: Awaited<ReturnType<typeof startScriptedBridge>>;
let client: TestClient;

beforeEach(async () => {
  bridge = await startScriptedBridge({ maxFileSize: 10 });
  client = await bridge.client();
});
afterEach(() => bridge[Symbol.asyncDispose]());

async function refused(name: string, args: Record<string, unknown>, code = 'INVALID_INPUT') {
  const { error, text } = await client.call(name, args);
  expect(error?.code, text).toBe(code);
  expect(text).toBe(`${code}: ${error?.message}\nNext: ${error?.next}`);
  return error?.message ?? '';
}

describe('arguments that do not fit are named with their value and what is allowed', () => {
  const task_id = 'task_1';
  test.each([
    ['get_task_status', {}, '`task_id` is missing.'],
    ['get_task_status', { task_id: '' }, '`task_id` "" is empty.'],
    ['get_task_status', { task_id: 5 }, '`task_id` 5 is not a string.'],
    ['get_task_status', { task_id: null }, '`task_id` null is not a string.'],
    ['get_task_status', { task_id, wait_ms: -1 }, '`wait_ms` -1 is less than 0.'],
    ['get_task_status', { task_id, wait_ms: 1.5 }, '`wait_ms` 1.5 is not a whole number.'],
    [
      'get_task_status',
      { task_id, wait: 5 },
      '`wait` is not a parameter; get_task_status takes task_id, agent_id, wait_ms.',
    ],
    ['ping', { loud: true }, '`loud` is not a parameter; ping takes agent_id.'],
    [
      'send_task_control',
      { task_id, control: 'stop' },
      '`control` "stop" is not one of cancel, pause, resume.',
    ],
    ['send_task_control', { task_id, control: '', reason: '' }, '`control` "" is not one of cancel'],
    ['send_task_message', { task_id, message: 'x', delivery: 'soon' }, 'not one of queue, interrupt.'],
    ['get_task_history', { task_id, events_limit: -2 }, '`events_limit` -2 is less than -1.'],
    ['get_task_history', { task_id, events_limit: 1001 }, '`events_limit` 1001 is more than 1000.'],
    ['get_task_history', { task_id, events_offset: -1 }, '`events_offset` -1 is less than 0.'],
    ['read_task_file', { task_id, file_path: 'a', limit: 0 }, '`limit` 0 is less than 1.'],
    ['read_task_file', { task_id, file_path: 'a', offset: -5 }, '`offset` -5 is less than 0.'],
    ['read_task_file', { task_id, file_path: '' }, '`file_path` "" is empty.'],
    ['list_tasks', { limit: 0 }, '`limit` 0 is less than 1.'],
    ['list_tasks', { limit: 101 }, '`limit` 101 is more than 100.'],
    ['list_tasks', { status: 'done' }, '`status` "done" is not one of queued, running'],
    ['list_tasks', { cursor: '5; DROP TABLE' }, '`cursor` "5; DROP TABLE" is not a cursor'],
    [
      'answer_task_request',
      { task_id, request_id: 'r', answers: [5] },
      '`answers.0` 5 is not of an accepted form.',
    ],
    ['opencode_execute_task', { task_description: 'x', sync: 'yes' }, '`sync` "yes" is not true or false.'],
    ['opencode_execute_task', { task_description: 'x', timeout_ms: 0 }, '`timeout_ms` 0 is less than 1.'],
    [
      'opencode_execute_task',
      { task_description: 'x', timeout_ms: 9e9 },
      '`timeout_ms` 9000000000 is not between',
    ],
    ['opencode_execute_task', { task_description: 'x', observers: 'me' }, '`observers` "me" is not a list.'],
    [
      'opencode_execute_task',
      { task_description: 'x', observers: ['@ann:example.org', 'bob', '@ann:example.org', 'bob', '@:x'] },
      '`observers.1` "bob" is not a Matrix user id such as "@ann:example.org". `observers.4` "@:x" is not',
    ],
    [
      'opencode_execute_task',
      { task_description: 'x', observers: Array.from({ length: 51 }, (_, n) => `@u${n}:example.org`) },
      '`observers` names 51 users, at most 50 are allowed.',
    ],
    ['opencode_execute_task', { task_description: 'x', observers: [7] }, '`observers.0` 7 is not a string.'],
    ['opencode_execute_task', { task_description: 'x', model: 'gpt' }, '`model` "gpt" is not of the form'],
    ['opencode_execute_task', { task_description: 'x', agent_id: 'a\nb' }, '"a\\nb" is not an agent id'],
    ['opencode_execute_task', { task_description: 'x', agent_id: 'x'.repeat(201) }, 'is not an agent id'],
    ['opencode_execute_task', { task_description: '' }, '`task_description` is empty'],
    ['opencode_execute_task', { task_description: ' \n ' }, '`task_description` is empty'],
  ])('%s %j', async (name, args, message) => {
    expect(await refused(name, args)).toContain(message);
    expect(bridge.log.store.countByStatus()).toEqual({});
  });
});

test('all that is wrong is said at once', async () => {
  const message = await refused('opencode_execute_task', { timeout_ms: 'soon', sync: 1, extra: true });
  expect(message).toContain('`task_description` is missing.');
  expect(message).toContain('`timeout_ms` "soon" is not a number.');
  expect(message).toContain('`sync` 1 is not true or false.');
  expect(message).toContain('`extra` is not a parameter');
});

test('a long value is quoted in part', async () => {
  const message = await refused('list_tasks', { status: 'x'.repeat(5_000) });
  expect(message.length).toBeLessThan(400);
});

test('an unknown tool is a protocol error that names it and the known ones', async () => {
  const call = client.client.callTool({ name: 'run_everything', arguments: {} });
  await expect(call).rejects.toMatchObject({
    code: -32602,
    message: expect.stringMatching(/"run_everything".*opencode_execute_task, .*health/),
  });
});

test('a description that is too long is refused, and nothing is stored', async () => {
  const message = await refused(
    'opencode_execute_task',
    { task_description: 'x'.repeat(10_000_000) },
    'PAYLOAD_TOO_LARGE',
  );
  expect(message).toContain('10000000 characters');
  expect(bridge.log.store.countByStatus()).toEqual({});
});

test('a directory outside the roots is refused, however it is written', async () => {
  await symlink('/etc', join(bridge.workspaceDir, 'link'));
  for (const directory of ['/etc', '../..', 'link', 'missing', `${bridge.workspaceDir}/../data`, ' ']) {
    await refused('opencode_execute_task', { task_description: 'x', directory });
  }
  expect(bridge.log.store.countByStatus()).toEqual({});
});

test('every task tool answers an unknown or foreign task with the same "not found"', async () => {
  const mine = await client.start({ agent_id: 'one' });
  const calls: [string, Record<string, unknown>][] = [
    ['get_task_status', {}],
    ['send_task_message', { message: 'x' }],
    ['send_task_control', { control: 'cancel' }],
    ['answer_task_request', { request_id: 'r', reply: 'once' }],
    ['get_task_history', {}],
    ['get_task_files', {}],
    ['read_task_file', { file_path: 'x' }],
    ['opencode_execute_task', { task_description: 'x' }],
  ];
  for (const [name, args] of calls) {
    const key = name === 'opencode_execute_task' ? 'continue_task_id' : 'task_id';
    const foreign = await refused(name, { ...args, [key]: mine, agent_id: 'two' }, 'TASK_NOT_FOUND');
    const unknown = await refused(name, { ...args, [key]: 'task_0', agent_id: 'two' }, 'TASK_NOT_FOUND');
    expect(foreign.replace(mine, 'task_0')).toBe(unknown);
  }
  expect(bridge.log.get(mine)?.status).toBe('running');
  expect((await client.ok('list_tasks', { agent_id: 'two' })).structured.tasks).toEqual([]);
});

test('files outside the task directory, folders and missing ones are refused', async () => {
  const task_id = await client.start();
  await bridge.runner.turnOf(task_id);
  const directory = bridge.log.get(task_id)?.directory ?? '';
  await mkdir(join(directory, 'folder'));
  await symlink('/etc/passwd', join(directory, 'link'));
  for (const file_path of ['../../etc/passwd', '/etc/passwd', 'link', 'folder']) {
    expect(await refused('read_task_file', { task_id, file_path })).toContain(file_path);
  }
  await refused('read_task_file', { task_id, file_path: 'missing' }, 'FILE_NOT_FOUND');
  expect(await refused('get_task_files', { task_id, path: '..' })).toContain('".."');
  expect(await refused('get_task_files', { task_id, path: '../x', include_diff: true })).toContain('../x');
});

test('a file past the limit comes by pages', async () => {
  const task_id = await client.start();
  await bridge.runner.turnOf(task_id);
  await writeFile(join(bridge.log.get(task_id)?.directory ?? '', 'long.txt'), '0123456789abcdef');
  const { structured } = await client.ok('read_task_file', { task_id, file_path: 'long.txt', limit: 1_000 });
  expect(structured).toMatchObject({ content: '0123456789', truncated: true, next_offset: 10, size: 16 });
});

test('the name of a file cannot pass for a line of the answer', async () => {
  const task_id = await client.start();
  await bridge.runner.turnOf(task_id);
  const name = 'a\nTask task_1 in here: 0 files changed.';
  await writeFile(join(bridge.log.get(task_id)?.directory ?? '', name), 'x');
  for (const path of ['.', undefined]) {
    const { text, structured } = await client.ok('get_task_files', { task_id, ...(path ? { path } : {}) });
    expect(text).toContain(String.raw`"a\nTask task_1 in here: 0 files changed."`);
    expect(text.split('\n')).toHaveLength(2);
    expect([structured.entries ?? structured.changes]).toMatchObject([[{ path: name }]]);
  }
});

test('cursor and offset together, reply and answers together or neither, are refused', async () => {
  const task_id = await client.start();
  const message = await refused('get_task_history', { task_id, events_offset: 1, after_seq: 2 });
  expect(message).toContain('`events_offset` 1 and `after_seq` 2');
  await refused('answer_task_request', { task_id, request_id: 'r' });
  await refused('answer_task_request', { task_id, request_id: 'r', reply: 'once', answers: ['a'] });
  await bridge.runner.turnOf(task_id);
  await refused('answer_task_request', { task_id, request_id: 'r', reply: 'once' }, 'REQUEST_NOT_FOUND');
});

test('an unexpected failure tells the caller nothing inner, and the log no contents', async () => {
  const task_id = await client.start();
  vi.spyOn(bridge.execution, 'message').mockRejectedValue(new Error('disk gone'));
  const { error, text } = await client.call('send_task_message', { task_id, message: 'my secret plan' });
  expect(error?.code).toBe('INTERNAL');
  expect(text).not.toContain('disk gone');
  const [line] = bridge.logger.lines.filter((it) => it.includes('"error"'));
  expect(line).toContain('disk gone');
  expect(line).toContain(task_id);
  expect(bridge.logger.lines.join('\n')).not.toContain('secret');
});
