import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { BridgeError } from '../../src/errors.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { startScriptedBridge, type TestClient } from './bridge.ts';

/** About 25,000 tokens, over text and structured content together. */
const BOUND = 100_000;

let bridge: Awaited<ReturnType<typeof startScriptedBridge>>;
let client: TestClient;
let task_id: string;
let run: Awaited<ReturnType<typeof bridge.runner.turnOf>>;
let directory: string;

beforeEach(async () => {
  bridge = await startScriptedBridge({ limits: { maxDescriptionLength: 1_000_000 } });
  client = await bridge.client();
  task_id = await client.start({ task_description: 'd'.repeat(200_000) });
  run = await bridge.runner.turnOf(task_id);
  directory = bridge.log.get(task_id)?.directory ?? '';
});
afterEach(() => bridge[Symbol.asyncDispose]());

/** Calls a tool, and refuses an answer that is larger than an answer may be. */
async function small(name: string, args: Record<string, unknown> = { task_id }) {
  const called = await client.ok(name, args);
  expect(called.text.length + JSON.stringify(called.structured).length, name).toBeLessThan(BOUND);
  return called;
}

const CONTENTS: [what: string, make: (size: number) => string][] = [
  ['prose', (size) => 'The quick brown fox.\n'.repeat(size / 21)],
  ['quotes and line ends', (size) => '"\n'.repeat(size / 2)],
  ['control characters', (size) => '\x01'.repeat(size)],
  ['characters of four bytes', (size) => '📄'.repeat(size / 4)],
];

describe('read_task_file', () => {
  test.each(CONTENTS)('of 1 MB of %s comes whole, by pages that fit', async (_, make) => {
    const content = make(300_000);
    await writeFile(join(directory, 'long.txt'), content);
    let read = '';
    let offset: unknown = 0;
    while (offset !== undefined) {
      const { structured, text } = await small('read_task_file', { task_id, file_path: 'long.txt', offset });
      const page = String(structured.content);
      expect(page.length).toBeGreaterThan(0);
      expect(text.slice(text.indexOf('\n') + 1), 'both kinds of client get the page').toBe(page);
      read += page;
      offset = structured.next_offset;
      if (offset !== undefined) expect(text).toContain(`go on with offset ${offset}`);
    }
    expect(read === content).toBe(true);
  });

  test('gives a longer page where that is asked for, in one form only; each form tells how to go on', async () => {
    const content = '0123456789abcdef'.repeat(30_000);
    await writeFile(join(directory, 'long.txt'), content);
    const { structured, text } = await client.ok('read_task_file', {
      task_id,
      file_path: 'long.txt',
      limit: 200_000,
    });
    expect(structured).toMatchObject({ truncated: true, next_offset: 200_000 });
    expect(structured.content).toBe(content.slice(0, 200_000));
    const shown = text.slice(text.indexOf('\n') + 1);
    expect(text.length).toBeLessThan(30_000);
    expect(content.startsWith(shown)).toBe(true);
    expect(text).toContain(`go on with offset ${shown.length})`);
  });

  test('of what is no text stands in one form', async () => {
    await writeFile(join(directory, 'raw.bin'), Buffer.alloc(500_000));
    const { structured, text } = await small('read_task_file', { task_id, file_path: 'raw.bin' });
    expect(structured).toMatchObject({ encoding: 'base64', truncated: true });
    expect(text.length).toBeLessThan(300);
  });
});

describe('get_task_files', () => {
  test.each(CONTENTS)('with a patch of %s comes by pages, and no line is lost', async (_, make) => {
    const content = make(100_000);
    await writeFile(join(directory, 'a.txt'), content);
    await writeFile(join(directory, 'b.txt'), 'the last\n');
    run.tool('write', 'files');
    const { patch, pages } = await allOf({ include_diff: true });
    expect(pages).toBeGreaterThan(3);
    expect(patch).toContain('+the last\n');
    const added = patch.split('\n').filter((line) => line.startsWith('+') && !line.startsWith('+++'));
    const wanted = `${content}\nthe last`.replace(/\n\n/, '\n');
    expect(added.map((line) => line.slice(1)).join('\n') === wanted).toBe(true);
    const { text } = await small('get_task_files', { task_id, include_diff: true });
    expect(text).toContain('diff --git');
  });

  test('of many files with long names comes by pages, each once, changed or listed', async () => {
    const folder = 'f'.repeat(150);
    await fill(join(directory, folder), 300);
    run.tool('write', 'files');
    const changes = await allOf({ include_diff: true });
    expect(new Set(changes.paths).size).toBe(300);
    expect(changes.paths).toHaveLength(300);
    expect(changes.patch.match(/^diff --git/gm)).toHaveLength(300);
    await fill(join(directory, folder), 1_500);
    const entries = await allOf({ path: folder });
    expect(new Set(entries.paths).size).toBe(1_500);
    expect(entries.paths).toHaveLength(1_500);
  });

  test.each(['5x', 'patch:', '-1', 'task_1', `patch:${'9'.repeat(12)}`])(
    'refuses the cursor %j',
    async (cursor) => {
      const { error } = await client.call('get_task_files', { task_id, cursor });
      expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('`cursor`') });
    },
  );
});

async function fill(folder: string, files: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = Array.from({ length: files }, (_, n) => `${'n'.repeat(100)}${n}`);
  await Promise.all(names.map((name) => writeFile(join(folder, name), 'x')));
}

/** All pages of get_task_files put together. */
async function allOf(args: Record<string, unknown>) {
  const all = { paths: [] as string[], patch: '', pages: 0 };
  let cursor: string | undefined;
  do {
    const { structured, text } = await small('get_task_files', { task_id, ...args, cursor });
    const page = pageSchema.parse(structured);
    expect(page.truncated).toBe(page.next_cursor !== undefined);
    if (page.next_cursor !== undefined) expect(text).toContain(`cursor "${page.next_cursor}"`);
    all.paths.push(...[...(page.changes ?? []), ...(page.entries ?? [])].map(({ path }) => path));
    all.patch += page.patch ?? '';
    all.pages += 1;
    cursor = page.next_cursor;
  } while (cursor !== undefined && all.pages < 500);
  return all;
}

const rows = z.array(z.object({ path: z.string() })).optional();
const pageSchema = z.object({
  changes: rows,
  entries: rows,
  patch: z.string().optional(),
  truncated: z.boolean(),
  next_cursor: z.string().optional(),
});

describe('get_task_history', () => {
  test('holds events whose long texts are cut, and gives one of them whole where it is asked for alone', async () => {
    const text = '📄 "x" '.repeat(50_000);
    for (let n = 0; n < 10; n += 1) run.emit({ kind: 'output', text, message_id: 'm', part_id: `p${n}` });
    const seen: unknown[] = [];
    let after_seq: unknown = 0;
    while (after_seq !== undefined) {
      const { structured } = await small('get_task_history', { task_id, after_seq, events_limit: -1 });
      expect(structured.hint).toContain('events_limit 1');
      seen.push(
        ...z
          .array(z.object({ seq: z.number(), truncated: z.literal(true).optional() }))
          .parse(structured.events),
      );
      after_seq = structured.next_after_seq;
    }
    expect(seen).toMatchObject(Array.from({ length: seen.length }, (_, index) => ({ seq: index + 1 })));
    expect(seen.at(-1)).toMatchObject({ truncated: true });
    const whole = await client.ok('get_task_history', { task_id, after_seq: 5, events_limit: 1 });
    expect(whole.structured.events).toEqual([expect.objectContaining({ seq: 6, text })]);
    expect(whole.structured).not.toHaveProperty('hint');
    expect(whole.text).toContain(JSON.stringify(text.slice(0, 7_000)).slice(0, -1));
    expect(whole.text.length).toBeLessThan(25_000);
  });

  test('of a thousand events fits, and so do long artifacts', async () => {
    for (let n = 0; n < 1_000; n += 1) run.tool('bash', `${n} ${'x'.repeat(190)}`);
    bridge.services.block = async () => ({
      artifacts: Array.from({ length: 50 }, () => ({ name: 'a'.repeat(1_000) })),
    });
    await small('get_task_history');
    await small('get_task_history', { task_id, events_limit: 1_000 });
    const { structured } = await small('get_task_history', { task_id, include_artifacts: true });
    expect(structured.hint).toContain('artifacts');
  });
});

test('a question, a result and a failure of any length fit, and are told in part', async () => {
  const options = Array.from({ length: 200 }, (_, n) => ({
    label: `label ${n}`,
    description: 'd'.repeat(2_000),
  }));
  run.ask({
    id: 'q_1',
    type: 'question',
    title: 't'.repeat(10_000),
    questions: [{ header: 'h', question: 'q'.repeat(100_000), options }],
  });
  const asked = await small('get_task_status');
  expect(asked.structured).toMatchObject({ task_id, status: 'input_required', requests: [{ id: 'q_1' }] });
  expect(asked.structured.hint).toContain('cut');
  run.fail('ENGINE_ERROR', 'e'.repeat(500_000));
  await bridge.until(task_id, ({ status }) => isEnd(status));
  const failed = await small('get_task_status');
  expect(failed.structured).toMatchObject({ status: 'failed', error: { code: 'ENGINE_ERROR' } });
  await small('opencode_execute_task', { task_description: 'x' });
});

test('a list of a hundred tasks comes whole, by pages that fit', async () => {
  // With paths of this length the JSON alone would fit, but not together with the text.
  const folder = dirname(directory);
  const named = join(folder, 'd'.repeat(Math.max(1, 75 - folder.length)));
  await mkdir(named);
  const made: string[] = [task_id];
  run.complete('s'.repeat(4_000));
  for (let n = 0; n < 99; n += 1) {
    const id = await client.start({ task_description: 'x'.repeat(500), directory: named });
    (await bridge.runner.turnOf(id)).complete('s'.repeat(4_000));
    await bridge.until(id, ({ status }) => isEnd(status));
    made.push(id);
  }
  const listed: string[] = [];
  let cursor: unknown;
  do {
    const { structured } = await small('list_tasks', { limit: 100, ...(cursor ? { cursor } : {}) });
    const rows = z.array(z.object({ task_id: z.string() })).parse(structured.tasks);
    listed.push(...rows.map((row) => row.task_id));
    cursor = structured.next_cursor;
  } while (cursor !== undefined);
  expect(listed).toEqual(made.reverse());
});

test('a health report with long details fits', async () => {
  bridge.runner.dependencies = [{ name: 'opencode', status: 'down', detail: 'x'.repeat(1_000_000) }];
  const { structured } = await small('health', {});
  expect(structured).toMatchObject({ status: 'degraded', dependencies: [{ name: 'opencode' }] });
});

test('no error fills the context, whoever it quotes', async () => {
  vi.spyOn(bridge.execution, 'message').mockRejectedValue(
    new BridgeError('ENGINE_ERROR', 'e'.repeat(1_000_000)),
  );
  const { text } = await client.call('send_task_message', { task_id, message: 'x' });
  expect(text.length).toBeLessThan(5_000);
  const observers = Array.from({ length: 20_000 }, () => 5);
  const result = CallToolResultSchema.parse(
    await client.client.callTool({
      name: 'opencode_execute_task',
      arguments: { task_description: 'x', observers },
    }),
  );
  expect(JSON.stringify(result).length).toBeLessThan(5_000);
});
