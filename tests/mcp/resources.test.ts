import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTaskId } from '../../src/tasks/ids.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { startServer } from '../http/server.ts';
import type { TestClient } from './bridge.ts';
import { currentEra } from './era.ts';

/** Bytes of a file in one answer. */
const MAX_FILE = 50_000;

let server: Awaited<ReturnType<typeof startServer>>;
let ann: TestClient;
let bob: TestClient;
/** A task of Ann's that has ended, its folder, and one that runs. */
let ended: string;
let folder: string;
let running: string;

beforeAll(async () => {
  server = await startServer({ maxFileSize: MAX_FILE, limits: { maxConcurrent: 8, maxQueued: 30 } });
  ann = await server.client({ 'x-agent-id': 'ann' });
  bob = await server.client({ 'x-agent-id': 'bob' });
  ended = await ann.start({ task_description: 'write the parser' });
  await server.bridge.runner.turnOf(ended);
  folder = directoryOf(ended);
  await mkdir(join(folder, 'src'));
  await writeFile(join(folder, 'src/ä b%20?.txt'), 'ünïcode\n');
  await writeFile(join(folder, 'src/image.png'), Buffer.from([0x89, 0x50, 0, 1, 2, 255]));
  await writeFile(join(folder, 'big.txt'), 'x'.repeat(MAX_FILE + 1));
  await symlink('/etc/passwd', join(folder, 'outside'));
  await finish(ended, 'The parser is there.');
  running = await ann.start({ task_description: 'write the printer' });
  await server.bridge.runner.turnOf(running);
});
afterAll(() => server[Symbol.asyncDispose]());

function directoryOf(taskId: string): string {
  return server.bridge.log.get(taskId)?.directory ?? '';
}

async function finish(taskId: string, summary: string): Promise<void> {
  const run = await server.bridge.runner.turnOf(taskId);
  run.tool('write', 'file');
  run.complete(summary);
  await server.bridge.until(taskId, ({ status }) => isEnd(status));
}

async function read(uri: string, { client } = ann) {
  const [content] = (await client.readResource(uri)).contents;
  if (!content) throw new Error('no content');
  return content;
}

async function readJson(uri: string, client = ann): Promise<unknown> {
  const content = await read(uri, client);
  expect(content).toMatchObject({ uri, mimeType: 'application/json' });
  return JSON.parse('text' in content ? content.text : '');
}

/** What reading fails with. */
async function failure(
  uri: string,
  { client } = ann,
): Promise<{ code: number; message: string; data?: unknown }> {
  const [thrown] = await Promise.allSettled([client.readResource(uri)]);
  if (thrown?.status !== 'rejected') throw new Error(`${uri} was read`);
  return thrown.reason;
}

function notFound(uri: string) {
  const code = currentEra() === '2026-07-28' ? -32_602 : -32_002;
  return { code, data: { uri } };
}

describe('reading', () => {
  test('the status is what get_task_status says', async () => {
    const { structured } = await ann.ok('get_task_status', { task_id: ended });
    expect(await readJson(`task://${ended}`)).toEqual(structured);
  });

  test('events come in pages, each with the URI of the next', async () => {
    const first = await readJson(`task://${ended}/events`);
    expect(first).toMatchObject({
      task_id: ended,
      events: [{ seq: 1, kind: 'created' }, {}, {}, {}, {}, {}],
    });
    expect(await readJson(`task://${ended}/events?after=5`)).toMatchObject({ events: [{ seq: 6 }] });
    const id = await ann.start();
    const run = await server.bridge.runner.turnOf(id);
    for (let n = 1; n <= 60; n += 1) run.tool('bash', `step ${n}`);
    const page = await readJson(`task://${id}/events`);
    expect(page).toMatchObject({ next_after_seq: 100, next_uri: `task://${id}/events?after=100` });
    expect(await readJson(`task://${id}/events?after=100`)).not.toHaveProperty('next_uri');
  });

  test('the result has what the task came to, and only the status before that', async () => {
    expect(await readJson(`task://${ended}/result`)).toMatchObject({
      status: 'completed',
      result: { summary: 'The parser is there.', files_changed_total: 4 },
    });
    const before = await readJson(`task://${running}/result`);
    expect(Object.keys(Object(before))).toEqual(['task_id', 'status', 'next']);
  });

  test('the diff is a diff, also of a task that changed nothing', async () => {
    const content = await read(`task://${ended}/diff`);
    expect(content).toMatchObject({ mimeType: 'text/x-diff', text: expect.stringContaining('+ünïcode') });
    expect(await read(`task://${running}/diff`)).toMatchObject({ text: '' });
  });

  test('a diff that is too long names the tool that has it in pages', async () => {
    const id = await ann.start();
    await server.bridge.runner.turnOf(id);
    await writeFile(join(directoryOf(id), 'long.txt'), `${'y'.repeat(99)}\n`.repeat(11_000));
    const { code, message } = await failure(`task://${id}/diff`);
    expect(code).toBe(-32_602);
    expect(message).toMatch(/more than 1000000 bytes.*get_task_files with include_diff/);
  });

  test('files are text or bytes, under every spelling of their path', async () => {
    const plain = await read(`task://${ended}/files/src/${encodeURIComponent('ä b%20?.txt')}`);
    expect(plain).toMatchObject({ mimeType: 'text/plain', text: 'ünïcode\n' });
    // As a client expands {+path}: reserved characters stay, all else is encoded.
    expect(await read(`task://${ended}/files/src/%C3%A4%20b%2520?.txt`)).toMatchObject({ text: 'ünïcode\n' });
    expect(await read(`task://${ended}/files/src%2Fimage.png`)).toMatchObject({
      mimeType: 'image/png',
      blob: Buffer.from([0x89, 0x50, 0, 1, 2, 255]).toString('base64'),
    });
  });

  test('a file that is too big says how to read it', async () => {
    const { code, message } = await failure(`task://${ended}/files/big.txt`);
    expect(code).toBe(-32_602);
    expect(message).toMatch(/has 50001 bytes.*read_task_file with offset/);
  });

  test('what is not there, in a task or at all, is one error with the URI', async () => {
    for (const uri of [
      `task://${ended}/files/none.txt`,
      'task://task_none',
      'task://task_none/files/a',
      `task://${ended}/`,
      `task://${ended}/Result`,
      `task://${ended}/events?after=-1`,
      `task://${ended}/events?after=1&x=2`,
      `task://${ended}/files/`,
      `task://${ended}/files/%00`,
      `task://${ended}/files/%zz`,
      `TASK://${ended}`,
      `task:${ended}`,
      'task://../',
      'task://',
      'file:///etc/passwd',
      '',
    ]) {
      expect(await failure(uri), uri).toMatchObject(notFound(uri));
    }
  });

  test('nothing outside of the folder is read', async () => {
    const outside = [
      '../../data/bridge.db',
      '..%2F..%2Fx',
      '%2e%2e/x',
      '/etc/passwd',
      'outside',
      'src/../../x',
    ];
    for (const path of outside) {
      const uri = `task://${ended}/files/${path}`;
      const { code, message } = await failure(uri);
      expect(code, uri).toBe(-32_602);
      expect(message, uri).toMatch(/outside the task's directory/);
    }
    expect(await failure(`task://${ended}/files/src`)).toMatchObject({
      code: -32_602,
      message: expect.stringMatching(/not a regular file.*get_task_files/),
    });
  });
});

describe('whose', () => {
  test('the task of another agent is the same as none', async () => {
    for (const part of ['', '/events', '/result', '/diff', '/files/big.txt']) {
      const uri = `task://${ended}${part}`;
      const unknown = `task://task_none${part}`;
      const foreign = await failure(uri, bob);
      expect(foreign).toMatchObject(notFound(uri));
      expect(foreign.message).toBe((await failure(unknown, bob)).message.replace('task_none', ended));
    }
  });

  test('without token and header the id is enough, and the list has the tasks of no other agent', async () => {
    const nobody = await server.client();
    expect(await readJson(`task://${ended}/result`, nobody)).toMatchObject({ status: 'completed' });
    expect((await nobody.client.listResources()).resources).toEqual([]);
  });

  test('a removed task is gone', async () => {
    const id = await ann.start();
    await finish(id, 'x');
    const task = server.bridge.log.get(id);
    if (!task) throw new Error('no task');
    await server.bridge.execution.remove(task);
    expect(await failure(`task://${id}`)).toMatchObject(notFound(`task://${id}`));
  });
});

describe('lists', () => {
  test('the newest tasks come first, in pages; ended ones with result and diff', async () => {
    const { resources } = await ann.client.listResources();
    const uris = resources.map(({ uri }) => uri);
    expect(uris).toEqual(
      expect.arrayContaining([`task://${ended}`, `task://${ended}/result`, `task://${ended}/diff`]),
    );
    expect(uris).toContain(`task://${running}`);
    expect(uris).not.toContain(`task://${running}/result`);
    expect(uris.indexOf(`task://${running}`)).toBeLessThan(uris.indexOf(`task://${ended}`));
    const result = resources.find(({ uri }) => uri === `task://${ended}/result`);
    const content = await read(`task://${ended}/result`);
    expect(result?.size).toBe(Buffer.byteLength('text' in content ? content.text : ''));
    expect(resources.filter(({ description, title }) => !description || !title)).toEqual([]);
  });

  test('cursors lead through the newest 100 tasks, each once', async () => {
    const { log, workspaceDir } = server.bridge;
    const carl = await server.client({ 'x-agent-id': 'carl' });
    const ids = Array.from({ length: 105 }, () => newTaskId(Date.now()));
    const asked = { description: 'x', runner: 'opencode-server', owns_directory: false, observers: [] };
    for (const id of ids) {
      const of = { ...asked, agent_id: 'carl', directory: workspaceDir, timeout_ms: 1_000 };
      log.create(id, { kind: 'created', ...of }, '');
    }
    const uris: string[] = [];
    let pages = 0;
    for (let cursor: string | undefined; ; pages += 1) {
      const { resources, nextCursor } = await carl.client.listResources(cursor);
      uris.push(...resources.map(({ uri }) => uri));
      if (nextCursor === undefined) break;
      cursor = nextCursor;
    }
    expect(uris).toEqual(
      ids
        .sort()
        .reverse()
        .slice(0, 100)
        .map((id) => `task://${id}`),
    );
    // The newer SDK follows the cursors itself.
    expect(pages).toBe(currentEra() === '2026-07-28' ? 0 : 4);
    await expect(carl.client.listResources('nonsense')).rejects.toMatchObject({ code: -32_602 });
  });

  test('templates describe what there is of each task', async () => {
    const { resourceTemplates } = await ann.client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'task://{id}',
      'task://{id}/events{?after}',
      'task://{id}/result',
      'task://{id}/diff',
      'task://{id}/files/{+path}',
    ]);
    expect(resourceTemplates.filter(({ description }) => !description)).toEqual([]);
  });

  test('no list announces changes: clients would open a stream for it', () => {
    expect(ann.client.getServerCapabilities()).toMatchObject({
      resources: { subscribe: true },
      prompts: {},
      completions: {},
    });
    expect(JSON.stringify(ann.client.getServerCapabilities())).not.toContain('listChanged');
  });
});

describe('completion', () => {
  const id = (uri: string, value: string) => ({
    ref: { type: 'ref/resource' as const, uri },
    argument: { name: 'id', value },
  });
  const path = (task: string, value: string) => ({
    ref: { type: 'ref/resource' as const, uri: 'task://{id}/files/{+path}' },
    argument: { name: 'path', value },
    context: { arguments: { id: task } },
  });

  test('ids are completed by their beginning, or by words of the task', async () => {
    expect(await ann.client.complete(id('task://{id}', ''))).toContain(running);
    expect(await ann.client.complete(id('task://{id}/diff', ended.slice(0, -1)))).toContain(ended);
    expect(await ann.client.complete(id('task://{id}', 'PARSER'))).toEqual([ended]);
    expect(await bob.client.complete(id('task://{id}', ''))).toEqual([]);
    expect(await bob.client.complete(id('task://{id}', ended))).toEqual([]);
  });

  test('paths are completed with what the task changed, and folder by folder', async () => {
    expect(await ann.client.complete(path(ended, 's'))).toEqual(
      expect.arrayContaining(['src/image.png', 'src/']),
    );
    expect(await ann.client.complete(path(ended, 'src/i'))).toEqual(['src/image.png']);
    expect(await ann.client.complete(path(ended, '../'))).toEqual([]);
    expect(await ann.client.complete(path('task_none', ''))).toEqual([]);
    expect(await bob.client.complete(path(ended, ''))).toEqual([]);
  });

  test('never more than 100 values', async () => {
    const many = directoryOf(running);
    await Promise.all(Array.from({ length: 150 }, (_, n) => writeFile(join(many, `f${n}`), '')));
    expect(await ann.client.complete(path(running, 'f'))).toHaveLength(100);
  });

  test('what cannot be completed is empty, and an unknown template an error', async () => {
    const after = { ref: { type: 'ref/resource' as const, uri: 'task://{id}/events{?after}' } };
    expect(await ann.client.complete({ ...after, argument: { name: 'after', value: '1' } })).toEqual([]);
    await expect(ann.client.complete(id('task://{other}', ''))).rejects.toMatchObject({ code: -32_602 });
  });
});
