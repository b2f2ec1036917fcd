import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isEnd } from '../../src/tasks/task.ts';
import { type Called, startScriptedBridge } from './bridge.ts';

/** Every text and number in a value, by its path; flags say how to read the others. */
function leavesOf(value: unknown, path = ''): [path: string, leaf: string][] {
  if (typeof value === 'string' || typeof value === 'number') return [[path, String(value)]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    leavesOf(inner, path === '' ? key : `${path}.${key}`),
  );
}

/** What stands in the structured content alone. */
function missingIn({ text, structured }: Called): string[] {
  return leavesOf(structured).flatMap(([path, leaf]) => (text.includes(leaf) ? [] : [path]));
}

test('Claude Code and Codex show their model the structured content, others the text: both hold the same', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const missing: Record<string, string[]> = {};
  const call = async (name: string, args: Record<string, unknown> = {}): Promise<void> => {
    missing[name] = [
      ...new Set([...(missing[name] ?? []), ...missingIn(await client.ok(name, args))]),
    ].sort();
  };
  const task_id = await client.start();
  const run = await bridge.runner.turnOf(task_id);
  const directory = bridge.log.get(task_id)?.directory ?? '';
  await writeFile(join(directory, 'made.txt'), 'made\n');
  const question = {
    header: 'Colour',
    question: 'Which one?',
    options: [{ label: 'red', description: 'like a rose' }],
    multiple: true,
  };
  run.emit(
    { kind: 'todo', items: [{ content: 'a', status: 'completed', priority: 'high' }] },
    {
      kind: 'usage',
      usage: {
        input_tokens: 1_234_567,
        output_tokens: 7_654_321,
        reasoning_tokens: 0,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        cost_usd: 0.125,
      },
    },
  );
  run.tool('write', 'made.txt');
  run.ask({
    id: 'per_1',
    type: 'permission',
    permission: 'bash',
    patterns: ['rm *'],
    title: 'bash: rm -rf build',
  });
  run.ask({ id: 'que_1', type: 'question', questions: [question] });
  await bridge.until(task_id, ({ requests }) => requests.length === 2);
  await call('get_task_status', { task_id });
  await call('answer_task_request', { task_id, request_id: 'per_1', reply: 'once' });
  await call('answer_task_request', { task_id, request_id: 'que_1', answers: [['red']] });
  await call('send_task_message', { task_id, message: 'more' });
  await call('send_task_control', { task_id, control: 'pause' });
  await call('send_task_control', { task_id, control: 'resume' });
  run.complete('All is done.');
  await bridge.until(task_id, ({ status }) => isEnd(status));
  await call('opencode_execute_task', { task_description: 'another' });
  await call('get_task_status', { task_id });
  await call('get_task_files', { task_id, include_diff: true });
  await call('get_task_files', { task_id, path: '.' });
  await call('read_task_file', { task_id, file_path: 'made.txt' });
  await call('list_tasks');
  await call('get_task_history', { task_id, events_limit: 1, include_artifacts: true });
  await call('ping');
  await call('health');
  expect(missing).toEqual({
    answer_task_request: [],
    // A folder ends in "/".
    get_task_files: ['entries.0.type'],
    get_task_history: [],
    // The text has the sum of tokens, and says how the model finished where it did not just stop.
    get_task_status: ['result.finish', 'usage.input_tokens', 'usage.output_tokens'],
    health: [],
    // A hundred of them would not fit; get_task_status has it.
    list_tasks: ['tasks.0.directory', 'tasks.1.directory'],
    opencode_execute_task: [],
    ping: [],
    // It says where a content is not text.
    read_task_file: ['encoding', 'task_id'],
    send_task_control: [],
    // `effect` says it in words.
    send_task_message: ['delivery'],
  });
});
