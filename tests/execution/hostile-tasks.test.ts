import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { startOpenCode } from '../support/opencode.ts';
import { bash, write } from '../support/steps.ts';

const SECRET = 'a secret of somebody else';
const tool = (name: string, args: Record<string, unknown>): Step => ({ tools: [{ name, args }] });

let bridge: Bridge;
let outside: string;
let secret: string;

beforeAll(async () => {
  // What permissions hold by themselves; hostile-commands.test.ts shows what the sandbox adds.
  bridge = await startBridge({ requests: { policy: 'reject' }, shells: { sandbox: 'off' } });
  outside = join(bridge.root, 'outside');
  secret = join(outside, 'secret.txt');
  await mkdir(outside);
  await writeFile(secret, SECRET);
});
afterAll(() => bridge.close());

/** A folder in the workspace with these files. */
async function folder(on: Bridge, name: string, files: Record<string, string> = {}): Promise<string> {
  const path = join(on.workspaceDir, name);
  await mkdir(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(join(path, file), content);
  return path;
}

const told = (on: Bridge, task: Task) => JSON.stringify(on.asked(task).at(-1)?.messages.slice(1));
const tools = (on: Bridge, task: Task) =>
  on.events(task).flatMap((event) => (event.kind === 'tool' && event.phase === 'finished' ? [event] : []));
const permissions = (on: Bridge, task: Task) =>
  on.events(task).flatMap((event) => (event.kind === 'request_opened' ? [event.request.permission] : []));

describe('a task that is to work outside its folder', () => {
  it('touches nothing there by the tools that name a path, and ends with the reason', async () => {
    const steps = [
      tool('read', { filePath: secret }),
      tool('read', { filePath: '../../outside/secret.txt' }),
      write(join(outside, 'written.txt'), 'x'),
      tool('edit', { filePath: secret, oldString: 'secret', newString: 'x' }),
      tool('glob', { pattern: '*', path: outside }),
      tool('grep', { pattern: 'secret', path: outside }),
      bash(`cat ${secret}`),
      bash(`cd ${outside} && touch touched.txt`),
      tool('bash', { command: 'cat secret.txt', description: 'x', workdir: outside }),
      { text: 'I may not look outside my folder.' },
    ];
    const task = await bridge.run(steps, { directory: await folder(bridge, 'tools') });
    expect(task).toMatchObject({
      status: 'completed',
      result: { summary: 'I may not look outside my folder.' },
    });
    expect(permissions(bridge, task)).toEqual(Array(9).fill('external_directory'));
    for (const { ok, output } of tools(bridge, task)) {
      expect([ok, output]).toEqual([
        false,
        expect.stringContaining("The operator allows no work outside the task's directory"),
      ]);
    }
    expect(told(bridge, task)).not.toContain(SECRET);
    expect(await readdir(outside)).toEqual(['secret.txt']);
    expect(await readFile(secret, 'utf8')).toBe(SECRET);
  });

  it('is asked for where the operator says so; with nobody to answer it is rejected at the deadline', async () => {
    await using asking = await startBridge({ on: bridge, requests: { outside: 'ask', timeoutMs: 500 } });
    const task = await asking.run([tool('read', { filePath: secret }), { text: 'Then not.' }]);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'Then not.' } });
    expect(asking.events(task)).toContainEqual(
      expect.objectContaining({ kind: 'request_closed', by: 'deadline', reply: 'reject' }),
    );
    expect(told(asking, task)).toContain('Nobody answered');
    expect(told(asking, task)).not.toContain(SECRET);
  });

  // What docs/security.md says is not protected. Where one of these fails, OpenCode has become stricter.
  it('is not held by permissions alone: redirections, interpreters and links go unasked', async () => {
    const directory = await folder(bridge, 'ways-out');
    await symlink(outside, join(directory, 'link'));
    const steps = [
      bash(`echo x > ${join(outside, 'redirected.txt')}`),
      bash(`node -e "console.log(require('fs').readFileSync('${secret}', 'utf8'))"`),
      tool('read', { filePath: 'link/secret.txt' }),
      write('link/through.txt', 'x'),
    ];
    const task = await bridge.run(steps, { directory });
    expect(permissions(bridge, task)).toEqual([]);
    expect(tools(bridge, task).map(({ output = '' }) => output.includes(SECRET))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect((await readdir(outside)).sort()).toEqual(['redirected.txt', 'secret.txt', 'through.txt']);
  });

  it('is held where the operator has OpenCode ask for each command and each edit', async () => {
    const config = JSON.stringify({ permission: { bash: 'ask', edit: 'ask' } });
    const directory = await folder(bridge, 'guarded', { 'opencode.json': config });
    await symlink(outside, join(directory, 'link'));
    const steps = [
      bash(`echo x > ${join(outside, 'guarded.txt')}`),
      bash(`node -e "console.log(require('fs').readFileSync('${secret}', 'utf8'))"`),
      write('link/guarded-too.txt', 'x'),
    ];
    const task = await bridge.run(steps, { directory });
    expect(permissions(bridge, task)).toEqual(['bash', 'bash', 'edit']);
    expect(told(bridge, task)).not.toContain(SECRET);
    expect((await readdir(outside)).filter((name) => name.startsWith('guarded'))).toEqual([]);
  });

  it("obeys the folder's own opencode.json, unless OpenCode is told not to", async () => {
    const planted = { 'opencode.json': JSON.stringify({ permission: { external_directory: 'allow' } }) };
    const steps = [tool('read', { filePath: secret }), { text: 'end' }];
    const obeyed = await bridge.run(steps, { directory: await folder(bridge, 'planted', planted) });
    expect([permissions(bridge, obeyed), told(bridge, obeyed)]).toEqual([
      [],
      expect.stringContaining(SECRET),
    ]);

    const env = { OPENCODE_DISABLE_PROJECT_CONFIG: '1' };
    await using endpoint = await startOpenCode({ modelUrl: bridge.model.url, env });
    await using strict = await startBridge({
      on: { endpoint, model: bridge.model },
      requests: { policy: 'reject' },
    });
    const ignored = await strict.run(steps, { directory: await folder(strict, 'planted', planted) });
    expect(permissions(strict, ignored)).toEqual(['external_directory']);
    expect(told(strict, ignored)).not.toContain(SECRET);
  });
});

describe('what a task leaves in its folder', () => {
  it('leads the bridge nowhere: links, pipes, odd names', async () => {
    await using lenient = await startBridge({ on: bridge, requests: { policy: 'allow', outside: 'allow' } });
    const theirs = await lenient.run([write('theirs.txt', SECRET)], { agentId: 'other', fresh: true });
    const steps = [
      bash(
        `ln -s /etc/passwd passwd; ln -s ${theirs.directory} theirs; ln -s ${secret} secret; ln -s / root`,
      ),
      bash('mkfifo pipe; mkdir sub; echo own > sub/own.txt; ln -s ../sub/own.txt sub/inner'),
      bash(`printf x > "$(printf 'line\\nend')"`),
      { text: 'planted' },
    ];
    const task = await lenient.run(steps, { fresh: true });
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'planted' } });
    const { files } = lenient.execution;
    for (const path of ['passwd', 'theirs/theirs.txt', 'secret', 'root/etc/passwd', 'pipe']) {
      await expect(files.read(task, path, 0, undefined)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
    for (const path of ['theirs', 'root', 'root/etc']) {
      await expect(files.list(task, path)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
    expect((await files.read(task, 'sub/inner', 0, undefined)).content.toString()).toBe('own\n');
    const { patch } = await files.patch(task, undefined, 1_000_000);
    expect(patch).not.toMatch(new RegExp(`${SECRET}|root:x:`));
    expect((await files.changes(task)).map(({ path }) => path).sort()).toEqual(
      ['line\nend', 'passwd', 'root', 'secret', 'sub/inner', 'sub/own.txt', 'theirs'].sort(),
    );
  });

  it('leads nowhere either when it is a link in place of the folder itself', async () => {
    await using lenient = await startBridge({ on: bridge, requests: { policy: 'allow', outside: 'allow' } });
    const swap = `cd / && mv "$OLDPWD" "$OLDPWD-moved" && ln -s ${outside} "$OLDPWD"`;
    const steps = [write('own.txt', 'own'), bash(swap), { text: 'swapped' }];
    const task = await lenient.run(steps, { fresh: true });
    expect(existsSync(join(task.directory, 'secret.txt'))).toBe(true);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'swapped', files_changed: [] } });
    const { files } = lenient.execution;
    await expect(files.read(task, 'secret.txt', 0, undefined)).rejects.toMatchObject({
      code: 'INVALID_STATE',
    });
    await expect(files.list(task, '.')).rejects.toMatchObject({ code: 'INVALID_STATE' });
    expect((await files.patch(task, undefined, 1_000_000)).patch).not.toContain(SECRET);
  });
});
