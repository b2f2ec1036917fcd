import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, write } from '../support/steps.ts';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine() });
});
afterAll(() => bridge.close());

const kinds = (events: { kind: string }[]) => events.map(({ kind }) => kind);

it('writes a file and runs it, and says what came of it', async () => {
  const task = await bridge.run([
    { text: 'Writing.', ...write('hello.js', 'console.log("hi")\n') },
    bash('node hello.js'),
    { text: 'It prints hi.' },
  ]);
  expect(task).toMatchObject({
    status: 'completed',
    result: {
      summary: 'It prints hi.',
      finish: 'stop',
      files_changed: [{ path: 'hello.js', change: 'added', additions: 1, deletions: 0 }],
      files_changed_total: 1,
    },
    usage: { input_tokens: 300, output_tokens: 60, cost_usd: 0.00042 },
  });
  const events = bridge.events(task);
  expect(kinds(events).filter((kind) => kind !== 'usage')).toEqual([
    'created',
    'started',
    'attached',
    'tool',
    'output',
    'tool',
    'file_changed',
    'tool',
    'tool',
    'output',
    'completed',
  ]);
  expect(events).toContainEqual(
    expect.objectContaining({ kind: 'tool', tool: 'bash', phase: 'finished', output: 'hi\n', exit_code: 0 }),
  );
  expect(JSON.stringify(task.result)).not.toContain('Please do this');
});

it('tells what a task changed: modified, deleted and added files, and the patch', async () => {
  const directory = join(bridge.workspaceDir, 'project');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'old.txt'), 'one\n');
  await writeFile(join(directory, 'gone.txt'), 'gone\n');
  const steps = [bash('echo two >> old.txt; rm gone.txt; mkdir sub; echo new > sub/new.txt'), { text: 'ok' }];
  const task = await bridge.run(steps, { directory });
  expect(task.result?.files_changed).toEqual([
    { path: 'gone.txt', change: 'deleted', additions: 0, deletions: 1 },
    { path: 'old.txt', change: 'modified', additions: 1, deletions: 0 },
    { path: 'sub/new.txt', change: 'added', additions: 1, deletions: 0 },
  ]);
  await writeFile(join(directory, 'old.txt'), 'changed by somebody later\n');
  const { patch } = await bridge.execution.files.patch(task, 'old.txt', 10_000);
  expect(patch).toContain('\n one\n+two\n');
});

it('reads files byte for byte, while the task runs and after it', async () => {
  const binary = Buffer.from([0, 255, 254, 10, 13, 0, 128]);
  const steps = [
    write('with final newline.txt', 'line\n'),
    write('ünïcödé 文件.txt', 'ä ✓\r\nno final newline'),
    bash(`: > empty; printf '\\000\\377\\376\\012\\015\\000\\200' > binary.bin`),
    bash('touch ready; until [ -e go ]; do sleep 0.05; done'),
    { text: 'read' },
  ];
  const task = await bridge.start(steps);
  const isReady = (title: string) => title.startsWith('touch ready');
  await bridge.until(task, (event) => event.kind === 'tool' && isReady(event.title));
  const readAll = async () => {
    const names = ['with final newline.txt', 'ünïcödé 文件.txt', 'empty', 'binary.bin'];
    const pages = await Promise.all(
      names.map((name) => bridge.execution.files.read(task, name, undefined, undefined)),
    );
    return pages.map(({ content }) => content);
  };
  const expected = [Buffer.from('line\n'), Buffer.from('ä ✓\r\nno final newline'), Buffer.of(), binary];
  expect(await readAll()).toEqual(expected);
  expect((await bridge.execution.files.changes(task)).map(({ path }) => path)).toEqual(
    expect.arrayContaining(['binary.bin', 'empty', 'with final newline.txt', 'ünïcödé 文件.txt']),
  );
  await writeFile(join(task.directory, 'go'), '');
  expect((await bridge.end(task)).status).toBe('completed');
  expect(await readAll()).toEqual(expected);
});

it('says of an empty turn that it was empty', async () => {
  const task = await bridge.run([{ text: '' }]);
  expect(task).toMatchObject({
    status: 'completed',
    result: { summary: expect.stringContaining('without any text'), files_changed: [] },
  });
  expect(bridge.events(task)).toContainEqual(
    expect.objectContaining({ kind: 'warning', code: 'EMPTY_TURN' }),
  );
});

it('takes the last words that were said, where the last step says none', async () => {
  const task = await bridge.run([{ text: 'All is in a.txt.', ...write('a.txt', 'a') }, { text: '' }]);
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'All is in a.txt.' } });
  expect(kinds(bridge.events(task))).not.toContain('warning');
});

it('hands the description to the model unaltered', async () => {
  const description = `Say "hi" to 'them' — \`$(whoami)\` ünïcödé 文件 😀\n\t--help\n`;
  const task = await bridge.run([], { description });
  expect(task.status).toBe('completed');
  expect(JSON.stringify(bridge.asked(task)[0]?.messages)).toContain(JSON.stringify(description).slice(1, -1));
});

it('reports the todo list as progress', async () => {
  const todo = (content: string, status: string) => ({ content, status, priority: 'high' });
  const todos = [todo('a', 'completed'), todo('b', 'in_progress')];
  const task = await bridge.run([{ tools: [{ name: 'todowrite', args: { todos } }] }, { text: 'half' }]);
  expect(task).toMatchObject({ status: 'completed', progress: 50 });
});

it('says how a command ended that failed', async () => {
  const task = await bridge.run([bash('echo oops >&2; exit 3'), { text: 'It failed.' }]);
  expect(task.status).toBe('completed');
  expect(bridge.events(task)).toContainEqual(
    expect.objectContaining({ phase: 'finished', ok: false, exit_code: 3, output: 'oops\n' }),
  );
});

it('makes a repository of a folder that it makes, so that nothing climbs out of it', async () => {
  const steps = [bash('git rev-parse --show-toplevel > top.txt'), { text: 'ok' }];
  const task = await bridge.run(steps, { fresh: true });
  expect(await readFile(join(task.directory, 'top.txt'), 'utf8')).toBe(`${task.directory}\n`);
});
