import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { git, repository, shortChanges, temporaryFolder, trackerIn, write } from './folder.ts';

describe('nothing planted is executed', () => {
  test('filters, hooks, fsmonitor, external diff and textconv, in the folder, above it, nested and in HOME', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
    const proof = join(base, 'executed');
    const program = join(base, 'program');
    writeFileSync(program, `#!/bin/sh\ntouch ${proof}\ncat\n`);
    chmodSync(program, 0o755);
    const config = [
      `[filter "evil"]\n\tclean = ${program}\n\tsmudge = ${program}\n\tprocess = ${program}\n\trequired = true`,
      `[diff "evil"]\n\tcommand = ${program}\n\ttextconv = ${program}`,
      `[diff]\n\texternal = ${program}`,
      `[core]\n\tfsmonitor = ${program}\n\thooksPath = ${base}/hooks\n\tpager = ${program}`,
    ].join('\n');
    write(base, { 'home/.gitconfig': config, 'hooks/post-index-change': `#!/bin/sh\ntouch ${proof}\n` });
    chmodSync(join(base, 'hooks/post-index-change'), 0o755);
    const plant = (path: string) => {
      writeFileSync(join(path, '.git', 'config'), `[core]\n\trepositoryformatversion = 0\n${config}`);
      write(path, {
        '.gitattributes': '* filter=evil diff=evil\n',
        '.git/info/attributes': '* filter=evil\n',
      });
    };
    const tracker = trackerIn(base, { home: join(base, 'home') });
    plant(directory);
    await tracker.begin('t', directory);
    const nested = repository(join(directory, 'nested'), { 'n.txt': 'n\n' });
    plant(nested);
    write(directory, {
      'a.txt': 'b\n',
      '.gitmodules': `[submodule "nested"]\n\tpath = nested\n\turl = ./nested\n`,
    });
    for (let round = 0; round < 2; round += 1) await tracker.changes('t', directory);
    await tracker.begin('t2', directory);
    write(directory, { 'nested/n.txt': 'changed\n' });
    await tracker.finish('t2', directory);
    await tracker.patch('t', directory, undefined, 10_000);
    expect(existsSync(proof)).toBe(false);
    expect(await shortChanges(tracker, directory)).toContain('M a.txt +1 -1');
    spawnSync('git', ['add', '-A'], { cwd: directory });
    expect(existsSync(proof)).toBe(true); // the trap was real
  });

  test('GIT_ variables of the parent do not reach git', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
    const wrapper = join(base, 'git-wrapper');
    writeFileSync(wrapper, `#!/bin/sh\nenv >>${base}/environment\nexec git "$@"\n`);
    chmodSync(wrapper, 0o755);
    process.env.GIT_AUTHOR_NAME = 'leak';
    process.env.GIT_INDEX_FILE = '/nowhere';
    try {
      const tracker = trackerIn(base, { git: wrapper });
      await tracker.begin('t', directory);
      write(directory, { 'a.txt': 'b\n' });
      expect(await shortChanges(tracker, directory)).toEqual(['M a.txt +1 -1']);
    } finally {
      delete process.env.GIT_AUTHOR_NAME;
      delete process.env.GIT_INDEX_FILE;
    }
    const seen = execFileSync('cat', [join(base, 'environment')], { encoding: 'utf8' });
    expect(seen).toContain('GIT_CONFIG_GLOBAL=/dev/null');
    expect(seen).not.toMatch(/leak|nowhere/);
  });
});

describe('nested repositories are listed by their files', () => {
  test.each([
    ['a commit', (path: string) => repository(path, { 'n.txt': 'n\n' })],
    [
      'no commit',
      (path: string) => {
        mkdirSync(path, { recursive: true });
        git(path, 'init', '-q');
        write(path, { 'n.txt': 'n\n' });
      },
    ],
    [
      'a commit and no files',
      (path: string) => {
        repository(path, { 'x.txt': 'x\n' });
        rmSync(join(path, 'x.txt'));
      },
    ],
  ])('with %s', async (name, nest) => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    nest(join(directory, 'deep', 'nested'));
    const files = name.endsWith('no files') ? [] : ['A deep/nested/n.txt +1 -0'];
    expect(await shortChanges(tracker, directory)).toEqual(files);
    write(directory, { 'b.txt': 'b\n' });
    expect(await shortChanges(tracker, directory)).toEqual(['A b.txt +1 -0', ...files]);
    nest(join(directory, 'deep', 'nested', 'inner'));
    const inner = name.endsWith('no files') ? [] : ['A deep/nested/inner/n.txt +1 -0'];
    expect(await shortChanges(tracker, directory)).toEqual(['A b.txt +1 -0', ...inner, ...files]);
  });

  test('a submodule that was there before counts by what changes in it', async () => {
    const base = temporaryFolder();
    const other = repository(join(base, 'other'), { 'n.txt': 'n\n' });
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
    git(directory, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', other, 'sub');
    git(directory, 'commit', '-q', '-m', 'submodule');
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    expect(await shortChanges(tracker, directory)).toEqual([]);
    write(directory, { 'sub/n.txt': 'changed\n', 'sub/new.txt': '' });
    expect(await shortChanges(tracker, directory)).toEqual(['M sub/n.txt +1 -1', 'A sub/new.txt +0 -0']);
  });

  test('an empty commitless repository alone fails nothing', async () => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    mkdirSync(join(directory, 'nested'), { recursive: true });
    git(join(directory, 'nested'), 'init', '-q');
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    write(directory, { 'a.txt': 'a\n' });
    expect(await shortChanges(tracker, directory)).toEqual(['A a.txt +1 -0']);
  });
});

describe('what is no readable file fails nothing', () => {
  test('fifos, sockets and dangling links', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n', 'b.txt': 'b\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    rmSync(join(directory, 'a.txt'));
    execFileSync('mkfifo', [join(directory, 'a.txt'), join(directory, 'fifo')]);
    symlinkSync('nowhere', join(directory, 'dangling'));
    const server = createServer();
    await new Promise<void>((done) => server.listen(join(directory, 'socket'), done));
    try {
      expect(await shortChanges(tracker, directory)).toEqual(['D a.txt +0 -1', 'A dangling +1 -0']);
    } finally {
      await new Promise((done) => server.close(done));
    }
  });

  test('a repository whose own files are fifos', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
    for (const name of ['index', 'config', 'info/exclude']) {
      rmSync(join(directory, '.git', name), { force: true });
      execFileSync('mkfifo', [join(directory, '.git', name)]);
    }
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    write(directory, { 'a.txt': 'b\n' });
    expect(await shortChanges(tracker, directory)).toEqual(['M a.txt +1 -1']);
  });

  // Root can read everything, so for root git runs without that capability.
  const drop = ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'];
  const isRoot = process.getuid?.() === 0;
  const can = !isRoot || spawnSync('setpriv', [...drop.slice(1), 'true']).status === 0;
  test.runIf(can)('unreadable files and folders', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n', 'z/in.txt': 'z\n' });
    const wrapper = join(base, 'git-wrapper');
    writeFileSync(wrapper, `#!/bin/sh\nexec ${isRoot ? drop.join(' ') : ''} git "$@"\n`);
    chmodSync(wrapper, 0o755);
    const tracker = trackerIn(base, { git: wrapper });
    write(directory, { 'before.txt': 'x\n' });
    chmodSync(join(directory, 'before.txt'), 0);
    await tracker.begin('t', directory);
    write(directory, { 'secret.txt': 'secret\n', 'new.txt': 'new\n', 'closed/in.txt': '' });
    for (const name of ['secret.txt', 'closed', 'z']) chmodSync(join(directory, name), 0);
    const expected = ['A new.txt +1 -0', 'A secret.txt +0 -0'];
    expect(await shortChanges(tracker, directory)).toEqual(expected);
    expect(await shortChanges(tracker, directory)).toEqual(expected);
    for (const name of ['closed', 'z']) chmodSync(join(directory, name), 0o755);
  });

  test('files that come and go while git reads', async () => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    write(directory, { 'a.txt': 'a\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    let busy = true;
    const churn = (async () => {
      for (let n = 0; busy; n += 1) {
        for (let i = 0; i < 20; i += 1) write(directory, { [`tmp-${i}`]: String(n) });
        await new Promise(setImmediate);
        for (let i = 0; i < 20; i += 1) rmSync(join(directory, `tmp-${i}`));
        await new Promise((done) => setTimeout(done, 10));
      }
    })();
    try {
      for (let round = 0; round < 30; round += 1) await tracker.changes('t', directory);
    } finally {
      busy = false;
      await churn;
    }
    expect(await shortChanges(tracker, directory)).toEqual([]);
  });
});

describe('git itself', () => {
  test('that hangs is killed and reported', async () => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    mkdirSync(directory);
    const tracker = trackerIn(base, { timeoutMs: 300 });
    await tracker.begin('t', directory);
    execFileSync('mkfifo', [join(directory, '.gitignore')]); // git waits for a writer
    await expect(tracker.changes('t', directory)).rejects.toThrow('did not finish within 300 ms');
    rmSync(join(directory, '.gitignore'));
    write(directory, { 'a.txt': 'a\n' });
    expect(await shortChanges(tracker, directory)).toEqual(['A a.txt +1 -0']);
  });

  test('that is missing is reported', async () => {
    const base = temporaryFolder();
    const tracker = trackerIn(base, { git: '/no/such/git' });
    await expect(tracker.begin('t', base)).rejects.toThrow('"/no/such/git"');
  });
});

test('a disk that takes nothing more is an error of the task, not the end of the bridge', () => {
  const base = temporaryFolder();
  const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
  const program = `import { ChangeTracker } from './src/workspaces/changes/change-tracker.ts';
    const tracker = new ChangeTracker({ snapshotsDir: ${JSON.stringify(base)}, env: {} });
    await tracker.begin('t', ${JSON.stringify(directory)}).catch(({ code }) => console.log(code));`;
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -f 0; exec "$0" --input-type=module -e "$1"', process.execPath, program],
    { cwd: join(import.meta.dirname, '../..'), encoding: 'utf8' },
  );
  expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: 'EFBIG\n' });
});
