import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { bash, subagent, write } from '../support/steps.ts';
import { repository } from '../workspaces/folder.ts';

const edit = (filePath: string, oldString: string, newString: string): Step => ({
  tools: [{ name: 'edit', args: { filePath, oldString, newString } }],
});
const FILES = { 'packages/foo/a.txt': 'a\n', 'packages/foo/kept.lock': 'l\n', 'packages/bar/x.ts': 'x\n' };

let bridge: Bridge;
let repo: string;
let directory: string;

const requests = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'request_opened' ? [event.request] : []));
const ok = (task: Task) =>
  bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' && event.phase === 'finished' ? [event.ok] : []));
const read = (path: string) => readFileSync(join(repo, path), 'utf8');

function prepare(): void {
  repo = join(bridge.workspaceDir, `repo-${Math.random().toString(36).slice(2)}`);
  repository(repo, FILES);
  directory = join(repo, 'packages/foo');
}

describe('EXTERNAL_DIRECTORY_POLICY=reject, in a folder of a repository', () => {
  beforeAll(async () => {
    bridge = await startBridge({
      config: {
        permission: { edit: { '*': 'allow', '*.lock': 'deny', 'packages/bar/*': 'allow' } },
        agent: { reader: { mode: 'primary', permission: { edit: 'deny' } } },
      },
    });
  });
  afterAll(() => bridge.close());
  beforeEach(prepare);

  it('rejects what is written outside of the folder, and asks for nothing in it', async () => {
    const outside = join(repo, 'SECRET.md');
    const steps = [
      write(outside, 'secret\n'),
      write('../../RELATIVE.md', 'secret\n'),
      edit(join(repo, 'packages/bar/x.ts'), 'x', 'y'),
      write(join(repo, 'packages/foobar/x.ts'), 'x\n'),
      write(join(directory, 'new/b.txt'), 'b\n'),
      edit('a.txt', 'a', 'b'),
      { text: 'Done.' },
    ];
    const task = await bridge.run(steps, { directory });
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
    expect(ok(task)).toEqual([false, false, false, false, true, true]);
    expect(existsSync(outside) || existsSync(join(repo, 'RELATIVE.md'))).toBe(false);
    expect([read('packages/bar/x.ts'), read('packages/foo/a.txt')]).toEqual(['x\n', 'b\n']);
    expect(requests(task)).toHaveLength(4);
    expect(requests(task)[0]).toMatchObject({
      permission: 'external_directory',
      patterns: [outside],
      title: `Allow external_directory: edit ${outside}`,
    });
  });

  it("keeps the user's own rules in the folder", async () => {
    const task = await bridge.run([write(join(directory, 'kept.lock'), 'new\n'), { text: 'x' }], {
      directory,
    });
    expect([ok(task), requests(task)]).toEqual([[false], []]);
    expect(read('packages/foo/kept.lock')).toBe('l\n');
  });

  it('keeps those of another agent in a task that goes on with one', async () => {
    const first = await bridge.run([write(join(directory, 'b.txt'), 'b\n'), { text: 'x' }], { directory });
    expect(ok(first)).toEqual([true]);
    const steps = [write(join(directory, 'c.txt'), 'c\n'), { text: 'x' }];
    const planned = await bridge.run(steps, { continueTaskId: first.id, agent: 'reader' });
    expect(existsSync(join(directory, 'c.txt'))).toBe(false);
    const again = await bridge.run([write(join(directory, 'd.txt'), 'd\n'), { text: 'x' }], {
      continueTaskId: planned.id,
      agent: 'build',
    });
    expect(ok(again)).toEqual([true]);
  });

  it('lets a subagent work in the folder', async () => {
    const steps = [subagent([write(join(directory, 'sub.txt'), 's\n'), { text: 'x' }]), { text: 'x' }];
    await bridge.run(steps, { directory });
    expect(read('packages/foo/sub.txt')).toBe('s\n');
  });

  it('lets the repository be read', async () => {
    const path = join(repo, 'packages/bar/x.ts');
    const task = await bridge.run([{ tools: [{ name: 'read', args: { filePath: path } }] }, { text: 'x' }], {
      directory,
    });
    expect([ok(task), requests(task)]).toEqual([[true], []]);
  });
});

describe('EXTERNAL_DIRECTORY_POLICY=ask, in a folder of a repository', () => {
  beforeAll(async () => {
    bridge = await startBridge({ requests: { policy: 'allow', outside: 'ask' } });
  });
  afterAll(() => bridge.close());
  beforeEach(prepare);

  it('asks for each edit outside of the folder; always is for that one', async () => {
    const [one, two] = [join(repo, 'one.md'), join(repo, 'packages/bar/x.ts')];
    const task = await bridge.start([write(one, '1\n'), edit(two, 'x', 'y'), { text: 'x' }], { directory });
    const first = await bridge.until(task, ({ kind }) => kind === 'request_opened');
    expect(existsSync(one)).toBe(false);
    await bridge.execution.answer(task, requests(task)[0]?.id ?? '', { reply: 'always' }, 'tester');
    await bridge.until(task, ({ kind }) => kind === 'request_opened', first.seq);
    expect([existsSync(one), read('packages/bar/x.ts')]).toEqual([true, 'x\n']);
    await bridge.execution.answer(task, requests(task)[1]?.id ?? '', { reply: 'once' }, 'tester');
    expect((await bridge.end(task)).status).toBe('completed');
    expect(read('packages/bar/x.ts')).toBe('y\n');
  });
});

describe('what changed in the repository outside of the folder', () => {
  beforeAll(async () => {
    // In their sandbox commands can write nothing there.
    bridge = await startBridge({ shells: { sandbox: 'off' } });
  });
  afterAll(() => bridge.close());
  beforeEach(prepare);

  const warnings = (task: Task) =>
    bridge
      .events(task)
      .flatMap((event) =>
        event.kind === 'warning' && event.code === 'OUTSIDE_CHANGES' ? [event.message] : [],
      );

  it('is told, by whichever way it was changed', async () => {
    const steps = [
      bash('echo y > ../bar/x.ts; echo s > ../../SECRET.md; echo b > b.txt'),
      subagent([write(join(repo, 'SUB.md'), 's\n'), { text: 'x' }]),
      { text: 'x' },
    ];
    const task = await bridge.run(steps, { directory });
    expect(task.result?.files_changed).toMatchObject([{ path: 'b.txt' }]);
    expect(warnings(task)).toEqual([
      expect.stringContaining('3 files: SECRET.md, SUB.md, packages/bar/x.ts'),
    ]);
  });

  it('is nothing where nothing was', async () => {
    const task = await bridge.run([bash('echo b > b.txt'), { text: 'x' }], { directory });
    expect(warnings(task)).toEqual([]);
  });
});
