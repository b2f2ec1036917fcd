import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rulesForFolder } from '../../src/workspaces/changes/ignore-pattern.ts';
import { git, repository, shortChanges, temporaryFolder, trackerIn, write } from './folder.ts';

const MADE = {
  'build/out': 'x\n',
  'x.log': 'x\n',
  'deep/y.log': 'x\n',
  'src/a.ts': 'x\n',
  'private.txt': 'x\n',
};
const KEPT = ['A private.txt +1 -0', 'A src/a.ts +1 -0'];
const RULES = { '.gitignore': '*.log\n/packages/*/build/\n' };

/** The reported changes of a folder in which those files appear while a task runs. */
async function toldOf(
  base: string,
  directory: string,
  files: Record<string, string> = MADE,
  options: Parameters<typeof trackerIn>[1] = {},
): Promise<string[]> {
  const tracker = trackerIn(base, options);
  await tracker.begin('t', directory);
  write(directory, files);
  return shortChanges(tracker, directory);
}

describe('ignore rules above the folder', () => {
  test('hold at the level where they stand', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { ...RULES, 'packages/foo/README': 'x\n' });
    expect(await toldOf(base, join(repo, 'packages/foo'))).toEqual(KEPT);
  });

  test('a level in between takes back what one above ignores', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), {
      ...RULES,
      'packages/.gitignore': '!x.log\nfoo/private.txt\n',
      'packages/foo/README': 'x\n',
    });
    expect(await toldOf(base, join(repo, 'packages/foo'))).toEqual(['A src/a.ts +1 -0', 'A x.log +1 -0']);
  });

  test('info/exclude of the repository holds', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { ...RULES, 'packages/foo/README': 'x\n' });
    write(repo, { '.git/info/exclude': '/packages/foo/private.txt\n' });
    expect(await toldOf(base, join(repo, 'packages/foo'))).toEqual(['A src/a.ts +1 -0']);
  });

  test('a linked work tree has its own rules and info/exclude of the repository', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { ...RULES, 'packages/foo/README': 'x\n' });
    write(repo, { '.git/info/exclude': '/packages/foo/private.txt\n' });
    git(repo, 'worktree', 'add', '-q', join(base, 'linked'));
    expect(await toldOf(base, join(base, 'linked/packages/foo'))).toEqual(['A src/a.ts +1 -0']);
  });

  test('a submodule has its own rules, and none of the repository around it', async () => {
    const base = temporaryFolder();
    const inner = repository(join(base, 'inner'), { ...RULES, 'packages/foo/README': 'x\n' });
    const outer = repository(join(base, 'outer'), { '.gitignore': '*.ts\n' });
    git(outer, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner, 'sub');
    write(outer, { '.git/modules/sub/info/exclude': 'private.txt\n' });
    expect(await toldOf(base, join(outer, 'sub/packages/foo'))).toEqual(['A src/a.ts +1 -0']);
  });

  test("the user's own hold: what core.excludesFile names, else git's default", async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { ...RULES, 'packages/foo/README': 'x\n' });
    const directory = join(repo, 'packages/foo');
    write(base, { 'home/.config/git/ignore': 'private.txt\n', 'xdg/git/ignore': 'src/\n' });
    const [home, config] = [join(base, 'home'), join(base, 'xdg')];
    expect(await toldOf(base, directory, MADE, { home })).toEqual(['A src/a.ts +1 -0']);
    rmSync(join(directory, 'src'), { recursive: true });
    rmSync(join(directory, 'private.txt'));
    expect(await toldOf(base, directory, MADE, { home, config })).toEqual(['A private.txt +1 -0']);
    rmSync(join(directory, 'src'), { recursive: true });
    rmSync(join(directory, 'private.txt'));
    write(base, { 'home/.gitconfig': '[core]\n\texcludesFile = ~/mine\n', 'dotfiles/mine': 'a.ts\n' });
    symlinkSync(join(base, 'dotfiles/mine'), join(home, 'mine'));
    expect(await toldOf(base, directory, MADE, { home, config })).toEqual(['A private.txt +1 -0']);
    expect(
      await toldOf(join(base, 'root'), repository(join(base, 'other'), { README: 'x\n' }), MADE, { home }),
    ).toEqual(['A build/out +1 -0', 'A deep/y.log +1 -0', 'A private.txt +1 -0', 'A x.log +1 -0']);
  });

  test('a tracked file is listed although it is ignored', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { ...RULES, 'packages/foo/x.log': 'old\n' });
    expect(await toldOf(base, join(repo, 'packages/foo'))).toEqual([...KEPT, 'M x.log +1 -1']);
  });

  test.each([
    'packages/\n',
    'foo\n',
    '/packages/*\n',
    'packages/**\n',
    '**/foo/\n',
    '/packages/foo\n',
    '*\n',
    '!x\n*\n!x.log\n',
  ])('%j ignores the folder itself, which hides nothing of what is in it', async (rule) => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { '.gitignore': `${rule}*.log\n` });
    mkdirSync(join(repo, 'packages/foo'), { recursive: true });
    expect(await toldOf(base, join(repo, 'packages/foo'))).toEqual(['A build/out +1 -0', ...KEPT]);
  });

  test('of a folder in no repository there are none', async () => {
    const base = temporaryFolder();
    write(base, { '.gitignore': '*\n', 'folder/README': 'x\n' });
    mkdirSync(join(base, '.git')); // no repository
    expect(await toldOf(base, join(base, 'folder'))).toHaveLength(5);
  });

  test('are those from before the task: what it writes there hides nothing of what it does', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { ...RULES, 'packages/foo/README': 'x\n' });
    const directory = join(repo, 'packages/foo');
    const home = join(base, 'home');
    write(home, { '.config/git/ignore': 'private.txt\n' });
    const tracker = trackerIn(base, { home });
    await tracker.begin('t', directory);
    write(directory, MADE);
    write(repo, { '.gitignore': '*\n', '.git/info/exclude': '*\n', 'packages/.gitignore': '*\n' });
    write(home, { '.config/git/ignore': '*\n' });
    expect(await shortChanges(tracker, directory)).toEqual(['A src/a.ts +1 -0']);
    rmSync(join(repo, '.git/info'), { recursive: true });
    expect(await shortChanges(tracker, directory)).toEqual(['A src/a.ts +1 -0']);
    await tracker.finish('t', directory);
    expect(await shortChanges(tracker, directory)).toEqual(['A src/a.ts +1 -0']);
  });

  test('a link in the place of a .gitignore is not followed, as git does', async () => {
    const base = temporaryFolder();
    const repo = repository(join(base, 'repo'), { 'packages/foo/README': 'x\n' });
    writeFileSync(join(base, 'rules'), '*\n');
    symlinkSync(join(base, 'rules'), join(repo, '.gitignore'));
    expect(await toldOf(base, join(repo, 'packages/foo'))).toHaveLength(5);
  });
});

describe('a pattern of a level above', () => {
  const way = ['packages', 'foo'];
  test.each([
    ['*.log', ['*.log']],
    ['build/', ['build/']],
    ['/dist', []],
    ['/packages/foo/dist', ['/dist']],
    ['!packages/foo/dist/ ', ['!/dist/']],
    ['packages/*/dist\\ ', ['/dist\\ ']],
    ['**/dist', ['/**/dist']],
    ['**/foo/dist', ['/**/foo/dist', '/dist'].slice(0, 2)],
    ['packages/**/dist', ['/**/dist']],
    ['packages/**', ['/**']],
    ['packages/foo/**', ['/**']],
    ['pack[a-z]ges/f[!a]o/dist', ['/dist']],
    ['pack\\ages/foo/d', ['/d']],
    ['packages/foo', []],
    ['other/foo/dist', []],
    ['# packages/foo/dist', []],
    ['\\#packages', ['\\#packages']],
    ['packages/foo/x\r', ['/x']],
    ['/', ['/']],
    ['!packages/**', ['!/**']],
  ])('%j', (rule, expected) => {
    expect(rulesForFolder(`${rule}\n`, way).flatMap(({ patterns }) => patterns)).toEqual(expected);
  });

  test('takes no longer than its length and the way are, however it is made', () => {
    const long = 'a'.repeat(255);
    const hostile = [
      `${'*a'.repeat(2_000)}b/x`,
      `${' '.repeat(500_000)}x/y`,
      `${'[:'.repeat(250_000)}/y`,
      `${'[[:alpha:]'.repeat(400)}/y`,
      `${'**/'.repeat(1_000)}a`,
      `${'**/a/'.repeat(800)}a`,
    ];
    const began = performance.now();
    const rules = rulesForFolder(hostile.join('\n'), [long, ...Array.from({ length: 500 }, () => 'a')]);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(JSON.stringify(rules).length).toBeLessThan(2_000_000);
  });
});

describe('the same files are left out as by git itself', () => {
  const name = fc.constantFrom('a', 'b', 'ab', 'ä', 'x y', 'a*', '#a', '!b', 'b[1]');
  const glob = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom('a', 'b', 'ab', '*', '**', 'a*', '?', '??', '[ab]', '[!a]', '*b', 'ä'),
    },
    fc.constantFrom(
      '[a-b]',
      'a\\*',
      '[[:alpha:]]',
      '[^[:alpha:]]*',
      '\\#a',
      '\\!b',
      'x\\ y',
      'x y',
      '[]a]',
      '[a',
      'b\\[1]',
      '[-a]',
      'a**b',
    ),
  );
  const rule = fc
    .tuple(
      fc.constantFrom('', '', '!'),
      fc.constantFrom('', '/', '**/'),
      fc.array(glob, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('', '', '/', ' ', '/**', '\r'),
    )
    .map(([not, start, segments, end]) => `${not}${start}${segments.join('/')}${end}`);
  const rules = fc.array(rule, { maxLength: 4 }).map((lines) => lines.join('\n'));
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));

  test('whatever the rules, the folder and the files are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ user: rules, exclude: rules, root: rules, between: rules, own: rules }),
        fc.tuple(name, name),
        fc.array(path, { minLength: 1, maxLength: 8 }),
        async (given, [upper, lower], paths) => {
          const base = temporaryFolder();
          const repo = join(base, 'repo');
          const directory = join(repo, upper, lower);
          mkdirSync(directory, { recursive: true });
          git(repo, 'init', '-q');
          write(base, { 'home/.config/git/ignore': given.user });
          write(repo, { '.git/info/exclude': given.exclude, '.gitignore': given.root });
          write(repo, {
            [`${upper}/.gitignore`]: given.between,
            [`${upper}/${lower}/.gitignore`]: given.own,
          });
          const user = ['-c', `core.excludesFile=${join(base, 'home/.config/git/ignore')}`];
          fc.pre(!ignores(repo, user, `${upper}/${lower}`));
          const tracker = trackerIn(base, { home: join(base, 'home') });
          await tracker.begin('t', directory);
          for (const each of paths) {
            try {
              write(directory, { [each]: 'x\n' });
            } catch {
              // a file has the name of a needed folder
            }
          }
          const args = ['ls-files', '-o', '-z', '--exclude-standard', '--', '.'];
          const told = (await tracker.changes('t', directory)).map((change) => change.path);
          const expected = git(directory, ...user, ...args)
            .split('\0')
            .filter((it) => it && it !== '.gitignore');
          expect(told.sort()).toEqual(expected.sort());
          rmSync(base, { recursive: true, force: true });
        },
      ),
      { numRuns: 40 },
    );
  });
});

function ignores(repo: string, user: string[], path: string): boolean {
  try {
    git(repo, ...user, 'check-ignore', '-q', path);
    return true;
  } catch {
    return false;
  }
}
