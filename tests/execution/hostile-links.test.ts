import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { markSdkInstalled } from '../support/opencode.ts';
import { noSandbox } from '../support/sandbox.ts';
import { bash, subagent, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';

const SECRET = 'a secret of somebody else';
const tool = (name: string, args: Record<string, unknown>): Step => ({ tools: [{ name, args }] });

let bridge: Bridge;
let outside: string;
/** Folders that commands do not see, each with a file `secret.txt`. */
let hidden: Record<'bridge' | 'task' | 'home', string>;

beforeEach((context) => context.skip(noSandbox !== undefined, noSandbox));
beforeAll(async () => {
  bridge = await startBridge({ requests: { policy: 'reject' } });
  outside = join(bridge.root, 'outside');
  hidden = {
    bridge: join(bridge.root, 'data'),
    task: join(bridge.workspaceDir, 'another-task'),
    home: join(bridge.home, '.ssh'),
  };
  for (const folder of Object.values(hidden)) await put(join(folder, 'secret.txt'), SECRET);
  await put(join(outside, 'public.txt'), 'for all to read');
});
afterAll(() => bridge?.close());

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function folder(name: string): Promise<string> {
  const path = join(bridge.workspaceDir, name);
  await mkdir(path, { recursive: true });
  return path;
}

/** All that the model was told in the task. */
const told = (task: Task, on = bridge) => JSON.stringify(on.asked(task));
const tools = (task: Task, on = bridge) =>
  on.events(task).flatMap((event) => (event.kind === 'tool' && event.phase === 'finished' ? [event] : []));

describe('a link in the folder of a task', () => {
  it.each(['bridge', 'task', 'home'] as const)('shows no tool what is hidden: %s', async (whose) => {
    const place = hidden[whose];
    const directory = await folder(`reads-${whose}`);
    const task = await bridge.run(
      [
        bash(
          `ln -s ${place} link; ln -s ${join(place, 'secret.txt')} file.txt; ln -s link/secret.txt twice.txt`,
        ),
        tool('read', { filePath: 'link/secret.txt' }),
        tool('read', { filePath: 'file.txt' }),
        tool('read', { filePath: 'twice.txt' }),
        tool('read', { filePath: 'link' }),
        tool('glob', { pattern: '*', path: 'link' }),
        tool('grep', { pattern: 'somebody', path: 'link' }),
        tool('grep', { pattern: 'somebody', path: 'file.txt' }),
        tool('edit', { filePath: 'file.txt', oldString: 'secret', newString: 'x' }),
        write('link/secret.txt', 'x'),
        write('link/new/file.txt', 'x'),
        subagent([tool('read', { filePath: 'file.txt' }), { text: 'tried' }]),
        { text: 'Done.' },
      ],
      { directory },
    );
    expect(task).toMatchObject({ status: 'completed' });
    expect(told(task)).not.toContain(SECRET);
    const [linked, ...tried] = tools(task).filter((each) => each.tool !== 'task');
    expect(linked?.ok).toBe(true);
    expect(tried.map(({ ok }) => ok)).toEqual(Array(11).fill(false));
    expect(await readFile(join(place, 'secret.txt'), 'utf8')).toBe(SECRET);
    expect(existsSync(join(place, 'new'))).toBe(false);
  });

  it('lets tools read what commands may read, and write nothing outside', async () => {
    const directory = await folder('writes');
    const task = await bridge.run(
      [
        bash(`ln -s ${outside} link; ln -s ${join(outside, 'new.txt')} dangling.txt`),
        tool('read', { filePath: 'link/public.txt' }),
        tool('grep', { pattern: 'for all', path: 'link' }),
        write('link/written.txt', 'x'),
        write('dangling.txt', 'x'),
        write('link/deep/written.txt', 'x'),
        tool('edit', { filePath: 'link/public.txt', oldString: 'all', newString: 'me' }),
        { text: 'Done.' },
      ],
      { directory },
    );
    expect(tools(task).map(({ ok }) => ok)).toEqual([true, true, true, false, false, false, false]);
    expect(await readFile(join(outside, 'public.txt'), 'utf8')).toBe('for all to read');
    for (const name of ['written.txt', 'new.txt', 'deep'])
      expect(existsSync(join(outside, name))).toBe(false);
    expect(tools(task).at(-1)?.output).toContain('PermissionDenied');
  });

  it('shows OpenCode no instructions from a place that is hidden', async () => {
    const directory = await folder('instructions');
    await symlink(join(hidden.task, 'secret.txt'), join(directory, 'AGENTS.md'));
    await put(join(directory, 'sub', 'file.txt'), 'x');
    await symlink(join(hidden.home, 'secret.txt'), join(directory, 'sub', 'AGENTS.md'));
    const task = await bridge.run([tool('read', { filePath: 'sub/file.txt' }), { text: 'Done.' }], {
      directory,
    });
    expect(task).toMatchObject({ status: 'completed' });
    expect(told(task)).not.toContain(SECRET);
  });

  it('works inside the folder as before', async () => {
    const directory = await folder('inside');
    await put(join(directory, 'real', 'file.txt'), 'old content\n');
    await symlink('real', join(directory, 'link'));
    const task = await bridge.run(
      [
        tool('read', { filePath: 'link/file.txt' }),
        tool('edit', { filePath: 'link/file.txt', oldString: 'old', newString: 'new' }),
        write('link/deep/new.txt', 'x\n'),
        tool('grep', { pattern: 'content', path: 'link' }),
        tool('glob', { pattern: '**/*.txt', path: 'link' }),
        { text: 'Done.' },
      ],
      { directory },
    );
    expect(tools(task).map(({ ok, output }) => [ok, ok || output])).toEqual(Array(5).fill([true, true]));
    expect(await readFile(join(directory, 'real', 'file.txt'), 'utf8')).toBe('new content\n');
    expect(await readFile(join(directory, 'real', 'deep', 'new.txt'), 'utf8')).toBe('x\n');
  });

  it('shows nothing where a process replaces a folder by a link while tools look', async () => {
    const directory = await folder('race');
    await put(join(directory, 'own', 'secret.txt'), 'my own');
    await symlink(hidden.task, join(directory, 'other'));
    const swap =
      'while :; do mv -T own now; sleep 0.03; mv -T now own; mv -T other now; sleep 0.01; mv -T now other; done';
    const looks = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? tool('read', { filePath: 'now/secret.txt' })
        : tool('grep', { pattern: 'secret|own', path: 'now' }),
    );
    const task = await bridge.run([bash(`(${swap}) > /dev/null 2>&1 &`), ...looks, { text: 'Done.' }], {
      directory,
    });
    expect(task).toMatchObject({ status: 'completed' });
    expect(told(task)).not.toContain(SECRET);
    expect(told(task), 'the race took place').toContain('my own');
  });
});

it('a task may work in the home, where OpenCode has its own files, and is shown no keys there', async () => {
  await using folder = await tempDir('home-');
  const HOME = folder.path;
  const own = {
    XDG_DATA_HOME: join(HOME, '.local/share'),
    XDG_CONFIG_HOME: join(HOME, '.config'),
    XDG_STATE_HOME: join(HOME, '.local/state'),
  };
  markSdkInstalled(join(own.XDG_CONFIG_HOME, 'opencode'));
  await put(join(HOME, '.ssh', 'secret.txt'), SECRET);
  await put(join(HOME, 'notes.txt'), 'my notes');
  await using there = await startBridge({ env: { HOME, ...own }, roots: [HOME] });
  const steps = [
    tool('read', { filePath: 'notes.txt' }),
    // Longer than OpenCode tells the model: it keeps the whole in a file of its own, which the model may read.
    bash('seq 1 20000'),
    write('new.txt', 'x'),
    tool('read', { filePath: '.ssh/secret.txt' }),
    tool('grep', { pattern: 'somebody', path: '.ssh' }),
    { text: 'Done.' },
  ];
  const task = await there.run(steps, { directory: HOME });
  expect(task).toMatchObject({ status: 'completed' });
  expect(tools(task, there).map(({ ok }) => ok)).toEqual([true, true, true, false, false]);
  expect(told(task, there)).not.toContain(SECRET);
  const kept = /(\/[^ "\\]*\/tool-output\/[A-Za-z0-9_]+)/.exec(told(task, there))?.[1];
  // OpenCode 1.18.33 may lose the first part of it.
  const next = await there.run([tool('read', { filePath: kept, offset: 8990 }), { text: 'Done.' }], {
    directory: HOME,
    continueTaskId: task.id,
  });
  expect(tools(next, there)).toMatchObject([{ tool: 'read', ok: true }]);
});
