import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FileGuard } from '../../../src/runners/opencode-server/file-guard.ts';
import { SandboxViews } from '../../../src/runners/shell/sandbox-views.ts';
import { tempDir } from '../../support/temp.ts';

const MODULE = join(import.meta.dirname, '../../../src/runners/opencode-server/file-guard.ts');
const run = promisify(execFile);
const outcomes = z.record(z.string(), z.string());

/** A task in `task`, which links to a hidden folder, to one that may be read, and to a file that is not there yet. */
async function place() {
  const root = await tempDir('file-guard-');
  const at = (...names: string[]) => join(root.path, ...names);
  for (const name of ['task/own', 'hidden', 'public']) await mkdir(at(name), { recursive: true });
  for (const name of ['task/own', 'hidden', 'public']) await writeFile(at(name, 'file'), name);
  for (const name of ['hidden', 'public', 'own'])
    await symlink(at(name === 'own' ? 'task/own' : name), at('task', `to-${name}`));
  await mkdir(at('task', 'engine'));
  await symlink(at('hidden'), at('task', 'engine', 'to-hidden'));
  await symlink(at('public', 'new'), at('task', 'dangling'));
  const views = new SandboxViews(at('views.json'));
  await views.add('ses_1', at('task'), [
    { kind: 'hidden', path: at('hidden'), folder: true },
    { kind: 'writable', path: at('task'), folder: true },
  ]);
  return { root, at, views, input: { views: views.file, areas: [root.path], own: [at('task', 'engine')] } };
}

/** Runs calls in a process whose files are guarded, each as `ok` or the code of its error. */
async function outcomesIn(
  { at, input }: Awaited<ReturnType<typeof place>>,
  calls: Record<string, string>,
): Promise<Record<string, string>> {
  const script = `
    import fs from 'node:fs';
    import { FileGuard } from ${JSON.stringify(MODULE)};
    const bun = { file: () => 'file', write: async () => 'written' };
    new FileGuard(${JSON.stringify(input)}).install(bun);
    process.chdir(${JSON.stringify(at('task'))});
    const called = (call) => new Promise((resolve, reject) => call((error, value) => (error instanceof Error ? reject(error) : resolve(value))));
    const outcomes = {};
    const attempt = async (name, call) => {
      outcomes[name] = await (async () => call())().then((it) => (it === false ? 'false' : 'ok'), (error) => error.code ?? error.message);
    };
    ${Object.entries(calls)
      .map(([name, call]) => `await attempt(${JSON.stringify(name)}, () => ${call});`)
      .join('\n')}
    console.log(JSON.stringify(outcomes));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  return outcomes.parse(JSON.parse(stdout));
}

const READS = {
  open: "called((end) => fs.open('PATH/file', 'r', end))",
  'open without flags': "called((end) => fs.open('PATH/file', end))",
  openSync: "fs.closeSync(fs.openSync('PATH/file'))",
  'promises.open': "fs.promises.open('PATH/file').then((it) => it.close())",
  readFile: "called((end) => fs.readFile('PATH/file', 'utf8', end))",
  'readFile of a URL': "fs.readFileSync(new URL('PATH/file', 'file://' + process.cwd() + '/'))",
  'readFile of a buffer': "fs.promises.readFile(Buffer.from('PATH/file'))",
  stat: "fs.statSync('PATH/file')",
  access: "fs.promises.access('PATH/file')",
  readdir: "called((end) => fs.readdir('PATH', end))",
  opendir: "fs.opendirSync('PATH').closeSync()",
  realpath: "fs.realpathSync('PATH/file')",
  'realpath.native': "called((end) => fs.realpath.native('PATH/file', end))",
  'realpathSync.native': "fs.realpathSync.native('PATH/file')",
  createReadStream:
    "called((end) => fs.createReadStream('PATH/file').on('close', end).on('error', end).resume())",
  'Bun.file': "bun.file('PATH/file')",
};
const WRITES = {
  'open for writing': "fs.closeSync(fs.openSync('PATH/file', 'r+'))",
  'open by numbers': "fs.closeSync(fs.openSync('PATH/file', fs.constants.O_WRONLY | fs.constants.O_CREAT))",
  writeFile: "called((end) => fs.writeFile('PATH/file', 'x', end))",
  'writeFile with an encoding': "fs.promises.writeFile('PATH/file', 'x', 'utf8')",
  'writeFile of a new one': "fs.promises.writeFile('PATH/new', 'x', { mode: 0o600 })",
  'appendFile of a new one': "called((end) => fs.appendFile('PATH/new-2', 'x', end))",
  'open of a new one': "called((end) => fs.open('PATH/new-3', 'w', end))",
  mkdir: "fs.mkdirSync('PATH/a/b', { recursive: true })",
  copyFile: "fs.copyFileSync('own/file', 'PATH/copy')",
  'rename into': "fs.promises.rename('PATH/new', 'PATH/moved')",
  symlink: "fs.symlinkSync('/etc', 'PATH/link')",
  truncate: "fs.truncateSync('PATH/file')",
  chmod: "called((end) => fs.chmod('PATH/file', 0o600, end))",
  createWriteStream: "called((end) => fs.createWriteStream('PATH/stream').on('error', end).end('x', end))",
  rm: "called((end) => fs.rm('PATH/copy', { force: true }, end))",
  unlink: "fs.promises.unlink('PATH/file')",
  'Bun.write': "bun.write('PATH/file', 'x')",
};
const through = (link: string, calls: Record<string, string>) =>
  Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, call.replaceAll('PATH', link)]));
const all = (calls: object, outcome: string) =>
  Object.fromEntries(Object.keys(calls).map((name) => [name, outcome]));

describe('the functions for files, in the folder of a task', () => {
  it('reach nothing through a link to a hidden folder', async () => {
    const there = await place();
    await using _ = { [Symbol.asyncDispose]: there.root.remove };
    const calls = { ...READS, ...WRITES };
    expect(await outcomesIn(there, through('to-hidden', calls))).toEqual(all(calls, 'EACCES'));
    expect(
      await outcomesIn(there, {
        a: "fs.existsSync('to-hidden/file')",
        b: "called((end) => fs.exists('to-hidden/file', (it) => end(undefined, it)))",
      }),
    ).toEqual({
      a: 'false',
      b: 'false',
    });
    expect(await readdir(there.at('hidden'))).toEqual(['file']);
    expect(await readFile(there.at('hidden', 'file'), 'utf8')).toBe('hidden');
  });

  it('read and do not write through a link to what commands may read', async () => {
    const there = await place();
    await using _ = { [Symbol.asyncDispose]: there.root.remove };
    expect(await outcomesIn(there, through('to-public', { ...READS, ...WRITES }))).toEqual({
      ...all(READS, 'ok'),
      ...all(WRITES, 'EACCES'),
    });
    expect(await readdir(there.at('public'))).toEqual(['file']);
  });

  it('make no file through a link to one that is not there', async () => {
    const there = await place();
    await using _ = { [Symbol.asyncDispose]: there.root.remove };
    const made = await outcomesIn(there, {
      writeFile: "fs.promises.writeFile('dangling', 'x')",
      open: "fs.openSync('dangling', 'a')",
      createWriteStream: "called((end) => fs.createWriteStream('dangling').on('error', end).end('x', end))",
      copyFile: "fs.copyFileSync('own/file', 'dangling')",
    });
    expect(made).toEqual({
      writeFile: 'EEXIST',
      open: 'EEXIST',
      createWriteStream: 'EACCES',
      copyFile: 'EACCES',
    });
    expect(existsSync(there.at('public', 'new'))).toBe(false);
  });

  it('work in the folder, through links too', async () => {
    const there = await place();
    await using _ = { [Symbol.asyncDispose]: there.root.remove };
    const calls = { ...READS, ...WRITES };
    expect(await outcomesIn(there, through('to-own', calls))).toEqual(all(calls, 'ok'));
    expect((await readdir(there.at('task', 'own'))).sort()).toEqual([
      'a',
      'link',
      'moved',
      'new-2',
      'new-3',
      'stream',
    ]);
  });

  it('work as ever outside of it, and where no task is at work', async () => {
    const there = await place();
    await using _ = { [Symbol.asyncDispose]: there.root.remove };
    const outside = {
      read: `fs.readFileSync(${JSON.stringify(there.at('hidden', 'file'))})`,
      'in a folder of OpenCode': "fs.readFileSync('engine/to-hidden/file')",
    };
    expect(await outcomesIn(there, outside)).toEqual(all(outside, 'ok'));
    await there.views.remove('ses_1');
    expect(await outcomesIn(there, { read: "fs.readFileSync('to-hidden/file')" })).toEqual({ read: 'ok' });
  });
});

it('what was checked stays the same where a link takes its place', async () => {
  const { root, at, input } = await place();
  await using _ = { [Symbol.asyncDispose]: root.remove };
  const pinned = new FileGuard(input).pin(at('task', 'own'));
  await rename(at('task', 'own'), at('task', 'moved'));
  await rename(at('task', 'to-hidden'), at('task', 'own'));
  expect(await readFile(join(pinned.path, 'file'), 'utf8')).toBe('task/own');
  pinned.release?.();
  expect(() => new FileGuard(input).pin(at('task', 'own'))).toThrow(/^EACCES/);
});
