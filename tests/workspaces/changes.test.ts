import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { contentOf, git, repository, shortChanges, temporaryFolder, trackerIn, write } from './folder.ts';

const aSecond = () => new Promise((done) => setTimeout(done, 1100));
const EDIT = { 'kept.txt': 'one\ntwo\nthree\n', 'new.txt': 'new\n' };
const START = { 'kept.txt': 'one\ntwo\n', 'gone.txt': 'gone\n', 'same.txt': 'same\n' };
const EXPECTED = ['D gone.txt +0 -1', 'M kept.txt +1 -0', 'A new.txt +1 -0'];

function edit(directory: string): void {
  write(directory, EDIT);
  rmSync(join(directory, 'gone.txt'));
}

describe('the same edit is listed the same in any folder', () => {
  test.each([
    ['no repository', (base: string) => write(base, START)],
    ['a repository root', (base: string) => repository(base, START)],
    [
      'a repository root with dirty, staged and untracked files',
      (base: string) => {
        repository(base, { 'kept.txt': 'x\n', 'gone.txt': 'gone\n', 'same.txt': 'old\n' });
        write(base, { 'same.txt': 'same\n' });
        git(base, 'add', 'same.txt');
        write(base, { 'kept.txt': START['kept.txt'], 'untracked.txt': 'untracked\n' });
      },
    ],
    [
      'an empty repository of our own',
      async (base: string) => {
        await makeTaskDirectory(base);
        write(base, START);
      },
    ],
    [
      'a SHA-256 repository',
      (base: string) => {
        mkdirSync(base, { recursive: true });
        git(base, 'init', '-q', '--object-format=sha256');
        write(base, START);
        git(base, 'add', '-A');
      },
    ],
    [
      'an index version 4',
      (base: string) => {
        repository(base, { ...START, 'kept.md': 'kept\n', 'sub/kept.md': 'kept\n' });
        git(base, 'update-index', '--index-version', '4');
      },
    ],
    [
      'a split index',
      (base: string) => {
        repository(base, START);
        git(base, 'update-index', '--split-index');
      },
    ],
    [
      'a damaged index',
      (base: string) => {
        repository(base, START);
        writeFileSync(join(base, '.git', 'index'), 'DIRC\0\0\0\x02\0\0\0\x05 rubbish');
      },
    ],
    [
      'an index with a damaged entry',
      (base: string) => {
        repository(base, START);
        appendFileSync(join(base, '.git', 'index'), 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx');
      },
    ],
    [
      'files git was told to overlook',
      (base: string) => {
        repository(base, START);
        git(base, 'update-index', '--assume-unchanged', 'kept.txt');
        git(base, 'update-index', '--skip-worktree', 'gone.txt');
      },
    ],
  ])('%s', async (_name, prepare) => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    await prepare(directory);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    expect(await shortChanges(tracker, directory)).toEqual([]);
    edit(directory);
    expect(await shortChanges(tracker, directory)).toEqual(EXPECTED);
    await tracker.finish('t', directory);
    write(directory, { 'later.txt': 'later\n' });
    expect(await shortChanges(tracker, directory)).toEqual(EXPECTED);
  });

  test('a subfolder of a repository', async () => {
    const base = temporaryFolder();
    repository(join(base, 'repo'), { 'outside.txt': 'x\n', 'sub/a.txt': 'a\n' });
    const directory = join(base, 'repo', 'sub');
    write(directory, START);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    edit(directory);
    write(join(base, 'repo'), { 'outside.txt': 'y\n' });
    expect(await shortChanges(tracker, directory)).toEqual(EXPECTED);
  });

  test('a linked work tree', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), START);
    const directory = join(base, 'linked');
    git(repo, 'worktree', 'add', '-q', directory);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    edit(directory);
    expect(await shortChanges(tracker, directory)).toEqual(EXPECTED);
  });

  test('a new folder of the bridge, known to be empty', async () => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    await makeTaskDirectory(directory);
    const tracker = trackerIn(base, { git: '/no/such/git' });
    await tracker.begin('t', directory, { empty: true }); // starts no git at all
    write(directory, { 'a.txt': 'a\nb\n', 'sub/b.txt': '' });
    const after = trackerIn(base);
    expect(await shortChanges(after, directory)).toEqual(['A a.txt +2 -0', 'A sub/b.txt +0 -0']);
  });
});

describe('what git does meanwhile makes no difference', () => {
  test.each([
    [
      'commit',
      (it: string) => {
        git(it, 'add', '-A');
        git(it, 'commit', '-q', '-m', 'work');
      },
    ],
    [
      'commit and gc',
      (it: string) => {
        git(it, 'add', '-A');
        git(it, 'commit', '-q', '-m', 'work');
        git(it, 'gc', '-q', '--prune=now');
      },
    ],
    [
      'another branch and back',
      (it: string) => {
        git(it, 'stash', '-q', '-u');
        git(it, 'checkout', '-q', '-b', 'other');
        git(it, 'stash', 'pop', '-q');
      },
    ],
    ['mixed reset', (it: string) => git(it, 'reset', '-q')],
  ])('%s', async (_name, meanwhile) => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    edit(directory);
    meanwhile(directory);
    expect(await shortChanges(tracker, directory)).toEqual(EXPECTED);
  });

  test('a hard reset is listed by its effect on the files', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    write(directory, { 'same.txt': 'dirty\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    git(directory, 'reset', '-q', '--hard');
    expect(await shortChanges(tracker, directory)).toEqual(['M same.txt +1 -1']);
    expect((await tracker.patch('t', directory, undefined, 10_000)).patch).toContain('-dirty\n+same\n');
  });

  test('with the whole repository deleted the list stays exact, without counts, and a patch says why not', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    rmSync(join(directory, '.git'), { recursive: true });
    git(directory, 'init', '-q');
    edit(directory);
    expect(await shortChanges(tracker, directory)).toEqual(['D gone.txt ?', 'M kept.txt ?', 'A new.txt ?']);
    const patch = tracker.patch('t', directory, undefined, 1000);
    await expect(patch).rejects.toMatchObject({
      code: 'INVALID_STATE',
      message: expect.stringContaining('"t"'),
    });
  });

  test("the user's repository stays byte for byte the same", async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    write(directory, { 'kept.txt': 'dirty\n', 'untracked.txt': 'u\n' });
    git(directory, 'add', 'kept.txt');
    const before = contentOf(join(directory, '.git'));
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    edit(directory);
    await tracker.changes('t', directory);
    await tracker.finish('t', directory);
    await tracker.patch('t', directory, undefined, 1000);
    await tracker.remove('t');
    expect(contentOf(join(directory, '.git'))).toEqual(before);
    expect(contentOf(join(base, 'snapshots'))).toEqual({});
  });
});

describe('exactness', () => {
  test('a same-sized edit within the tick of the user\'s own "git add" is seen', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'old\n' });
    write(directory, { 'a.txt': 'mid\n' });
    await aSecond(); // the copy of the index is made in another second than the index
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    write(directory, { 'a.txt': 'new\n' });
    const { patch } = await tracker.patch('t', directory, undefined, 1000);
    expect(patch).toContain('-mid\n+new\n');
  });

  test('an edit that restores size and time is seen', async () => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    write(directory, { 'a.txt': 'old\n' });
    utimesSync(join(directory, 'a.txt'), 1000, 1000);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    await aSecond(); // git compares ctime by whole seconds
    write(directory, { 'a.txt': 'new\n' });
    utimesSync(join(directory, 'a.txt'), 1000, 1000);
    expect(await shortChanges(tracker, directory)).toEqual(['M a.txt +1 -1']);
  });

  test.each([
    ['attributes', { '.gitattributes': '* text=auto\n*.up filter=up\n' }, ''],
    ['autocrlf', {}, 'true'],
  ])('line ends count although the repository converts them by %s', async (_name, files, autocrlf) => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    mkdirSync(directory);
    git(directory, 'init', '-q');
    if (autocrlf) git(directory, 'config', 'core.autocrlf', autocrlf);
    write(directory, { ...files, 'dos.txt': 'one\r\ntwo\r\n', 'unix.txt': 'one\ntwo\n' });
    utimesSync(join(directory, 'dos.txt'), 1000, 1000); // old enough for git to trust its index
    git(directory, 'add', '-A');
    git(directory, 'commit', '-q', '-m', 'first');
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    write(directory, { 'dos.txt': 'one\r\nTWO\r\n', 'unix.txt': 'one\r\ntwo\r\n' });
    expect(await shortChanges(tracker, directory)).toEqual(['M dos.txt +1 -1', 'M unix.txt +2 -2']);
  });

  test('names with spaces, line breaks, quotes, backslashes and any script; empty and binary files', async () => {
    const base = temporaryFolder();
    const directory = join(base, 'work');
    mkdirSync(directory);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    const names = [
      ' lead',
      'a b',
      'line\nbreak',
      '"quoted"',
      'back\\slash',
      ':colon',
      'tab\t',
      'git~1',
      'żółw/файл-📄',
    ];
    write(directory, Object.fromEntries(names.map((name) => [name, 'x\n'])));
    write(directory, { empty: '', binary: Buffer.from([0, 1, 2, 255]), 'no-end': 'x' });
    const changes = await tracker.changes('t', directory);
    expect(changes.map(({ path }) => path).sort()).toEqual([...names, 'empty', 'binary', 'no-end'].sort());
    expect(changes).toContainEqual({ path: 'binary', change: 'added', binary: true });
    expect(changes).toContainEqual({
      path: 'empty',
      change: 'added',
      additions: 0,
      deletions: 0,
      binary: false,
    });
    expect((await tracker.patch('t', directory, 'żółw', 1000)).patch).toContain('b/żółw/файл-📄\n');
    expect((await tracker.patch('t', directory, ':colon', 1000)).patch).toContain('+++ b/:colon\n');
  });

  test('a rename is a deletion and an addition, a file turned into a link a modification', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n', 'b.txt': 'b\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    renameSync(join(directory, 'a.txt'), join(directory, 'c.txt'));
    rmSync(join(directory, 'b.txt'));
    symlinkSync('/etc/passwd', join(directory, 'b.txt'));
    symlinkSync('/etc', join(directory, 'etc'));
    expect(await shortChanges(tracker, directory)).toEqual([
      'D a.txt +0 -1',
      'M b.txt +1 -1',
      'A c.txt +1 -0',
      'A etc +1 -0',
    ]);
    const { patch } = await tracker.patch('t', directory, undefined, 10_000);
    expect(patch).toContain('+/etc/passwd\n\\ No newline');
    expect(patch).not.toContain('root:');
  });

  test('ignored files are left out, tracked ones are not', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { '.gitignore': '*.log\n', 'kept.log': 'a\n' });
    write(directory, { '.git/info/exclude': 'private\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    write(directory, {
      'kept.log': 'b\n',
      'new.log': '',
      private: '',
      'node_modules/a/index.js': '',
      'sub/__pycache__/a.pyc': '',
      '.venv/bin/python': '',
      'node_modules.txt': '',
    });
    expect(await shortChanges(tracker, directory)).toEqual(['M kept.log +1 -1', 'A node_modules.txt +0 -0']);
  });
});

describe('patch', () => {
  test('of everything, of one path, bounded to whole lines', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    const tracker = trackerIn(base);
    void tracker.begin('t', directory);
    expect(await shortChanges(tracker, directory)).toEqual([]);
    edit(directory);
    void tracker.finish('t', directory);
    const all = await tracker.patch('t', directory, undefined, 100_000);
    expect(all.truncated).toBe(false);
    const one = await tracker.patch('t', directory, 'new.txt', 100_000);
    expect(one.patch).toMatch(/^diff --git a\/new\.txt b\/new\.txt\nnew file mode 100644\n.*\+new\n$/s);
    expect(all.patch).toContain(one.patch);
    const cut = await tracker.patch('t', directory, undefined, 200);
    expect(cut.truncated).toBe(true);
    expect(all.patch.startsWith(cut.patch) && cut.patch.endsWith('\n')).toBe(true);
    expect(await tracker.patch('t', directory, 'same.txt', 100)).toEqual({
      patch: '',
      truncated: false,
      end: 0,
    });
    const rest = await tracker.patch('t', directory, undefined, 100_000, cut.end);
    expect(cut.patch + rest.patch).toBe(all.patch);
    expect(await tracker.patch('t', directory, join(directory, 'new.txt'), 100_000)).toEqual(one);

    const copy = repository(join(base, 'copy'), START);
    write(base, { 'all.patch': all.patch });
    git(copy, 'apply', '../all.patch');
    write(copy, { 'check.txt': '' });
    expect(git(copy, 'status', '--porcelain')).toBe(' D gone.txt\n M kept.txt\n?? check.txt\n?? new.txt\n');
    for (const path of ['../x', '/etc/passwd', 'a\0b']) {
      await expect(tracker.patch('t', directory, path, 100)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
  });
});

describe('life of a snapshot', () => {
  test('survives a restart', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    await trackerIn(base).begin('t', directory);
    edit(directory);
    await trackerIn(base).finish('t', directory);
    expect(await shortChanges(trackerIn(base), directory)).toEqual(EXPECTED);
  });

  test('a killed git leaves no lock that matters', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    writeFileSync(join(base, 'snapshots', 't', 'index.lock'), '');
    edit(directory);
    expect(await shortChanges(tracker, directory)).toEqual(EXPECTED);
  });

  test('begin starts again, remove forgets, an unknown task is reported', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    edit(directory);
    await tracker.finish('t', directory);
    await tracker.begin('t', directory);
    expect(await shortChanges(tracker, directory)).toEqual([]);
    await tracker.remove('t');
    await tracker.remove('t');
    for (const call of [tracker.changes('t', directory), tracker.finish('t', directory)]) {
      await expect(call).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringContaining('"t"'),
      });
    }
    await expect(tracker.begin('../t', directory)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('calls for one task take turns', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), START);
    const tracker = trackerIn(base);
    void tracker.begin('t', directory);
    expect(await shortChanges(tracker, directory)).toEqual([]);
    edit(directory);
    void tracker.finish('t', directory);
    const all = await Promise.all(Array.from({ length: 8 }, () => shortChanges(tracker, directory)));
    for (const changes of all) expect(changes).toEqual(EXPECTED);
  });

  test('a folder that was removed, or became a symlink, has lost all its files', async () => {
    const base = temporaryFolder();
    const directory = repository(join(base, 'work'), { 'a.txt': 'a\n' });
    const tracker = trackerIn(base);
    await tracker.begin('t', directory);
    renameSync(directory, join(base, 'moved'));
    expect(await shortChanges(tracker, directory)).toEqual(
      // the objects moved along
      ['D a.txt ?'],
    );
    symlinkSync('/etc', directory);
    expect(await shortChanges(tracker, directory)).toEqual(['D a.txt ?']);
  });

  test('snapshots kept inside the folder do not watch themselves', async () => {
    const base = temporaryFolder();
    const tracker = trackerIn(join(base, 'odd [*] name'));
    await tracker.begin('t', base);
    write(base, { 'a.txt': 'a\n' });
    expect(await shortChanges(tracker, base)).toEqual(['A a.txt +1 -0']);
  });
});
