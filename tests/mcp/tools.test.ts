import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isEnd } from '../../src/tasks/task.ts';
import { startScriptedBridge, type TestClient } from './bridge.ts';

let bridge: Awaited<ReturnType<typeof startScriptedBridge>>;
let client: TestClient;

beforeEach(async () => {
  bridge = await startScriptedBridge();
  client = await bridge.client();
});
afterEach(() => bridge[Symbol.asyncDispose]());

const DATE = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

test('execute answers at once with the task and how to go on', async () => {
  const { structured, text } = await client.ok('opencode_execute_task', {
    task_description: 'write a program',
  });
  const id = String(structured.task_id);
  expect(structured).toMatchObject({
    status: 'running',
    workspace_block_id: id.replace('task_', 'block_'),
    directory: join(bridge.workspaceDir, id),
    repeated: false,
  });
  expect(text).toContain(id);
  expect(text).toContain('wait_ms 50000');
  expect((await bridge.runner.turnOf(id)).prompts).toEqual(['write a program']);
});

test('execute hands every parameter on', async () => {
  await mkdir(join(bridge.workspaceDir, 'mine'));
  const { structured } = await client.ok('opencode_execute_task', {
    task_description: 'do it',
    idempotency_key: 'k',
    timeout_ms: 1234,
    directory: 'mine',
    model: 'scripted/model',
    agent: 'build',
    observers: ['@ann:example.org', '@bob:[::1]:8448', '@ann:example.org'],
  });
  expect(bridge.log.get(String(structured.task_id))).toMatchObject({
    agentId: 'default',
    idempotencyKey: 'k',
    limits: { timeoutMs: 1234 },
    directory: join(bridge.workspaceDir, 'mine'),
    model: 'scripted/model',
    agent: 'build',
    observers: ['@ann:example.org', '@bob:[::1]:8448'],
  });
});

test('history shows from which outside message a word came', async () => {
  const id = await client.start();
  const task = await bridge.execution.find('default', id);
  await bridge.runner.turnOf(id);
  await bridge.execution.message(task, 'human', 'be kind', 'queue', { ref: '$event' });
  const { structured } = await client.ok('get_task_history', { task_id: id, after_seq: task.lastSeq });
  expect(structured.events).toContainEqual(expect.objectContaining({ text: 'be kind', ref: '$event' }));
});

test('a repeated idempotency key answers with the first task', async () => {
  const order = { task_description: 'once', idempotency_key: 'k1' };
  const first = await client.ok('opencode_execute_task', order);
  const second = await client.ok('opencode_execute_task', order);
  expect(second.structured).toMatchObject({ task_id: first.structured.task_id, repeated: true });
  expect(second.text).toContain('idempotency_key was used before');
  expect(second.structured.hint).toContain('idempotency_key was used before');
  expect(first.structured).not.toHaveProperty('hint');
  const other = await client.call('opencode_execute_task', { ...order, task_description: 'twice' });
  expect(other.error?.code).toBe('IDEMPOTENCY_CONFLICT');
});

test('an ended task is continued in its session and directory', async () => {
  const first = await client.start();
  (await bridge.runner.turnOf(first)).complete('done');
  const before = await bridge.until(first, ({ status }) => isEnd(status));
  const second = await client.start({ continue_task_id: first });
  const run = await bridge.runner.turnOf(second);
  expect(run.sessionId).toBe(before.sessionId);
  expect(bridge.log.get(second)?.directory).toBe(before.directory);
});

test('status shows a task while it runs and after its end', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  run.emit({
    kind: 'todo',
    items: [
      { content: 'a', status: 'completed', priority: 'high' },
      { content: 'b', status: 'pending', priority: 'high' },
    ],
  });
  run.tool('bash', 'node hello.js');
  const running = await client.ok('get_task_status', { task_id: id });
  expect(running.structured).toMatchObject({
    task_id: id,
    status: 'running',
    progress: 50,
    requests: [],
    session_id: run.sessionId,
    created_at: expect.stringMatching(DATE),
    started_at: expect.stringMatching(DATE),
    last_seq: 6,
    next: expect.stringContaining('get_task_status'),
  });
  expect(running.structured.last_events).toEqual([
    expect.stringMatching(/^1 \d{4}.*Z accepted$/),
    expect.stringMatching(/ started$/),
    expect.stringMatching(/ 1 of 2 steps done$/),
    expect.stringMatching(/ bash: node hello.js$/),
    expect.stringMatching(/ bash done: node hello.js$/),
  ]);
  run.complete('The program says hello.');
  const ended = await client.ok('get_task_status', { task_id: id, wait_ms: 50_000 });
  expect(ended.structured).toMatchObject({
    status: 'completed',
    result: { summary: 'The program says hello.', files_changed_total: 0 },
    ended_at: expect.stringMatching(DATE),
  });
  expect(ended.text).toContain('The program says hello.');
  expect(ended.text).toContain(`continue_task_id "${id}"`);
});

test('status of a failed task says why and what to do', async () => {
  const id = await client.start();
  (await bridge.runner.turnOf(id)).fail('PROVIDER_AUTH', 'The provider refused the key.');
  const { structured, text } = await client.ok('get_task_status', { task_id: id, wait_ms: 50_000 });
  expect(structured).toMatchObject({ status: 'failed', error: { code: 'PROVIDER_AUTH' } });
  expect(text).toContain('The provider refused the key.');
});

test('a waiting task shows its position in the queue', async () => {
  for (let n = 0; n < 5; n += 1) await client.start();
  const { structured, text } = await client.ok('opencode_execute_task', { task_description: 'sixth' });
  expect(structured).toMatchObject({ status: 'queued', queue_position: 1 });
  expect(text).toContain('Position in the queue: 1');
  const files = await client.ok('get_task_files', { task_id: structured.task_id, include_diff: true });
  expect(files.structured).toMatchObject({ changes: [], total: 0, patch: '' });
});

test('a full queue is refused with a time to retry after, and nothing is stored', async () => {
  for (let n = 0; n < 10; n += 1) await client.start();
  const { error } = await client.call('opencode_execute_task', { task_description: 'eleventh' });
  expect(error).toMatchObject({ code: 'QUEUE_FULL', retryable: true, retry_after_seconds: 30 });
  expect((await client.ok('list_tasks', { limit: 100 })).structured.tasks).toHaveLength(10);
});

test('messages say when the agent reads them', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  const queued = await client.ok('send_task_message', {
    task_id: id,
    message: 'use tabs',
    message_type: 'hint',
  });
  expect(queued.structured).toEqual({
    task_id: id,
    status: 'running',
    delivery: 'queue',
    effect: 'The agent reads it after its present turn.',
  });
  const now = await client.ok('send_task_message', { task_id: id, message: 'stop', delivery: 'interrupt' });
  expect(now.structured.effect).toContain('interrupted');
  await bridge.until(id, () => run.prompts.length === 2);
  expect(run.prompts[1]).toBe('use tabs\n\nstop');
  await client.ok('send_task_control', { task_id: id, control: 'pause' });
  const paused = await client.ok('send_task_message', { task_id: id, message: 'later' });
  expect(paused.structured).toMatchObject({ status: 'paused', effect: expect.stringContaining('on resume') });
});

test('an ended task takes no message and says how to continue', async () => {
  const id = await client.start();
  (await bridge.runner.turnOf(id)).complete('done');
  await bridge.until(id, ({ status }) => isEnd(status));
  const { error, text } = await client.call('send_task_message', { task_id: id, message: 'more' });
  expect(error?.code).toBe('INVALID_STATE');
  expect(text).toContain(`continue_task_id "${id}"`);
});

test('control pauses, resumes and cancels', async () => {
  const id = await client.start();
  await bridge.runner.turnOf(id);
  const control = async (word: string, reason?: string) =>
    (await client.ok('send_task_control', { task_id: id, control: word, reason })).structured.status;
  const pause = await client.ok('send_task_control', { task_id: id, control: 'pause' });
  expect(pause.structured).toMatchObject({ status: 'paused', next: expect.stringContaining('"resume"') });
  expect(await control('pause')).toBe('paused');
  expect(await control('resume')).toBe('running');
  expect(await control('cancel', 'no longer needed')).toBe('cancelled');
  expect(await control('cancel')).toBe('cancelled');
  expect(bridge.log.get(id)?.error?.message).toBe('no longer needed');
});

test('a permission is shown, answered once, and a second answer is told who was first', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  run.ask({ id: 'per_1', type: 'permission', permission: 'bash', patterns: ['rm *'], title: 'rm -rf build' });
  const status = await client.ok('get_task_status', { task_id: id, wait_ms: 50_000 });
  expect(status.structured).toMatchObject({
    status: 'input_required',
    requests: [
      { id: 'per_1', type: 'permission', patterns: ['rm *'], expires_at: expect.stringMatching(DATE) },
    ],
  });
  expect(status.text).toContain('Request per_1 (permission): rm -rf build; rm *');
  expect(status.text).toContain('reply once, always or reject');
  const answer = { task_id: id, request_id: 'per_1', reply: 'once' };
  const answered = await client.ok('answer_task_request', answer);
  expect(answered.structured).toEqual({
    task_id: id,
    request_id: 'per_1',
    status: 'running',
    outcome: 'closed: once',
    next: expect.stringContaining('get_task_status'),
  });
  const again = await client.call('answer_task_request', { ...answer, reply: 'reject' });
  expect(again.error).toMatchObject({
    code: 'REQUEST_CLOSED',
    message: expect.stringContaining('already answered by default: once'),
  });
  expect(run.answers).toEqual([{ requestId: 'per_1', answer: { type: 'permission', reply: 'once' } }]);
});

test('a question takes lists of labels, or plain labels where it is one question', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  const question = { header: 'h', question: 'Which?', options: [{ label: 'a', description: '' }] };
  run.ask({ id: 'q_1', type: 'question', questions: [question] });
  run.ask({ id: 'q_2', type: 'question', questions: [question, question] });
  const status = await client.ok('get_task_status', { task_id: id });
  expect(status.text).toContain('Which? [a]');
  await client.ok('answer_task_request', { task_id: id, request_id: 'q_1', answers: ['a'] });
  const flat = await client.call('answer_task_request', {
    task_id: id,
    request_id: 'q_2',
    answers: ['a', 'b'],
  });
  expect(flat.error).toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('2 questions'),
  });
  await client.ok('answer_task_request', { task_id: id, request_id: 'q_2', answers: [['a'], ['b']] });
  expect(run.answers.map(({ answer }) => answer)).toEqual([
    { type: 'question', answers: [['a']] },
    { type: 'question', answers: [['a'], ['b']] },
  ]);
});

test('history comes by pages, with times in ISO 8601', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  run.ask({ id: 'per_1', type: 'permission' });
  for (let n = 0; n < 20; n += 1) run.tool('bash', `step ${n}`);
  const total = bridge.log.get(id)?.lastSeq ?? 0;
  const seen: unknown[] = [];
  let after: unknown = 0;
  while (after !== undefined) {
    const page = await client.ok('get_task_history', { task_id: id, events_limit: 7, after_seq: after });
    const events = page.structured.events;
    if (!Array.isArray(events)) throw new Error('no events');
    expect(events.length).toBeLessThanOrEqual(7);
    seen.push(...events);
    after = page.structured.next_after_seq;
  }
  expect(seen).toHaveLength(total);
  expect(seen.map((event) => Reflect.get(Object(event), 'seq'))).toEqual(seen.map((_, index) => index + 1));
  expect(seen[0]).toMatchObject({
    seq: 1,
    at: expect.stringMatching(DATE),
    kind: 'created',
    description: 'do it',
  });
  expect(seen[0]).not.toHaveProperty('taskId');
  expect(seen[3]).toMatchObject({ request: { id: 'per_1', expires_at: expect.stringMatching(DATE) } });

  const all = await client.ok('get_task_history', { task_id: id, events_limit: -1, include_artifacts: true });
  expect(all.structured).toMatchObject({ total, artifacts: [{ path: `of ${id}` }] });
  expect(all.structured.events).toHaveLength(total);
  expect(all.structured.next_after_seq).toBeUndefined();
  const skipped = await client.ok('get_task_history', { task_id: id, events_offset: total - 1 });
  expect(skipped.structured.events).toHaveLength(1);
});

test('a page of history holds about 64 kB, however long the events are', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  for (let n = 0; n < 10; n += 1) {
    run.emit({ kind: 'output', text: 'x'.repeat(50_000), message_id: 'm', part_id: `p${n}` });
  }
  const { structured, text } = await client.ok('get_task_history', { task_id: id, events_limit: -1 });
  expect(JSON.stringify(structured).length).toBeLessThan(66_000);
  expect(structured.next_after_seq).toBeGreaterThan(3);
  expect(text).toContain(`after_seq ${structured.next_after_seq}`);
  expect(text.length).toBeLessThan(5_000);
});

test('files: what changed, the patch, of one path, and the content of a folder', async () => {
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  const directory = bridge.log.get(id)?.directory ?? '';
  await mkdir(join(directory, 'src'));
  await writeFile(join(directory, 'src', 'a.txt'), 'one\ntwo\n');
  await writeFile(join(directory, 'b.txt'), 'three\n');
  run.tool('write', 'files');

  const changes = await client.ok('get_task_files', { task_id: id });
  expect(changes.structured).toMatchObject({
    directory,
    total: 2,
    truncated: false,
    changes: [
      { path: 'b.txt', change: 'added', additions: 1, deletions: 0 },
      { path: 'src/a.txt', change: 'added', additions: 2, deletions: 0 },
    ],
  });
  expect(changes.structured.patch).toBeUndefined();
  const diff = await client.ok('get_task_files', { task_id: id, path: 'src', include_diff: true });
  expect(diff.structured).toMatchObject({ total: 1, patch_truncated: false });
  expect(diff.structured.patch).toContain('+two');
  expect(diff.structured.patch).not.toContain('three');
  const folder = await client.ok('get_task_files', { task_id: id, path: '.' });
  expect(folder.structured.entries).toEqual([
    { path: 'b.txt', type: 'file', size: 6 },
    { path: 'src', type: 'directory', size: 0 },
  ]);
  expect(folder.text).toContain('b.txt (6 bytes)');

  run.complete('done');
  await bridge.until(id, ({ status }) => isEnd(status));
  const after = await client.ok('get_task_files', { task_id: id, include_diff: true });
  expect(after.structured).toMatchObject({ total: 2, patch: expect.stringContaining('+three') });
});

test('a file is read as text or base64, by pages', async () => {
  const id = await client.start();
  await bridge.runner.turnOf(id);
  const directory = bridge.log.get(id)?.directory ?? '';
  await writeFile(join(directory, 'grüße und so.md'), 'Grüße\n');
  await writeFile(join(directory, 'raw.bin'), Buffer.from([0, 255, 1]));
  await writeFile(join(directory, 'empty'), '');
  const read = async (file_path: string, more = {}) =>
    client.ok('read_task_file', { task_id: id, file_path, ...more });
  const text = await read('grüße und so.md');
  expect(text.structured).toEqual({
    task_id: id,
    file_path: 'grüße und so.md',
    content: 'Grüße\n',
    encoding: 'utf-8',
    media_type: 'text/markdown',
    size: 8,
    offset: 0,
    truncated: false,
  });
  expect(text.text).toContain('Grüße\n');
  expect((await read('raw.bin')).structured).toMatchObject({ content: 'AP8B', encoding: 'base64', size: 3 });
  expect((await read('empty')).structured).toMatchObject({ content: '', size: 0, truncated: false });
  const first = await read('grüße und so.md', { limit: 4 });
  expect(first.structured).toMatchObject({ content: 'Grü', truncated: true, next_offset: 4 });
  expect((await read('grüße und so.md', { offset: 4 })).structured).toMatchObject({
    content: 'ße\n',
    offset: 4,
  });
});

test('list shows the own tasks, newest first, by status and by pages', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1)
    ids.unshift(await client.start({ task_description: `task ${n} ${'x'.repeat(200)}` }));
  await client.ok('send_task_control', { task_id: ids[0], control: 'cancel' });
  const first = await client.ok('list_tasks', { limit: 3 });
  const rows = first.structured.tasks;
  expect(rows).toMatchObject(ids.slice(0, 3).map((task_id) => ({ task_id })));
  expect(rows).toMatchObject([
    { status: 'cancelled', description: expect.stringMatching(/^task 4 x{112}…$/) },
    {},
    {},
  ]);
  const second = await client.ok('list_tasks', { limit: 3, cursor: first.structured.next_cursor });
  expect(second.structured.tasks).toMatchObject(ids.slice(3).map((task_id) => ({ task_id })));
  expect(second.structured.next_cursor).toBeUndefined();
  const cancelled = await client.ok('list_tasks', { status: 'cancelled' });
  expect(cancelled.structured.tasks).toHaveLength(1);
});

test('ping and health answer', async () => {
  expect((await client.ok('ping')).structured).toEqual({ pong: true, version: '1.2.3' });
  await client.start();
  const { structured, text } = await client.ok('health');
  expect(structured).toMatchObject({
    status: 'ok',
    version: '1.2.3',
    mode: 'opencode-server',
    metrics: { running: 1, queued: 0, by_status: { running: 1 } },
    dependencies: [{ name: 'opencode', status: 'ok' }],
    node: process.versions.node,
  });
  expect(text).toContain('1 running');
  bridge.runner.dependencies = [{ name: 'opencode', status: 'down', detail: 'gone' }];
  expect((await client.ok('health')).structured.status).toBe('degraded');
});
