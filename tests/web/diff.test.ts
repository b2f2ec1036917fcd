import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDiff } from '../../src/web/task/changes/diff-parser.ts';
import { splitRows, unifiedRows } from '../../src/web/task/changes/diff-rows.ts';
import { treeRows } from '../../src/web/task/changes/file-tree.ts';
import { unquote } from '../../src/web/task/changes/git-path.ts';
import { markWords } from '../../src/web/task/changes/word-marks.ts';
import { tempDir } from '../support/temp.ts';

const run = promisify(execFile);

/** Names that break a parser which splits at spaces, quotes or slashes. */
const NAMES = [
  'plain.txt',
  'with space.txt',
  'b/ b',
  'a b/a b',
  ' leading and trailing ',
  '"quoted".txt',
  'back\\slash',
  'line\nfeed',
  'tab\there',
  'ü 中 🙂.txt',
  '\u202eexe.txt',
  '\u001b[31mred',
  '<img src=x onerror=alert(1)>.html',
  'diff --git a b',
  '--- a',
  '@@ -1 +1 @@',
];

/** Content that looks like the structure of a diff. */
const BEFORE = 'one\n-- a/other\n@@ -1,9 +1,9 @@\ndiff --git a/x b/x\nsame\r\nlast';
const AFTER = 'one\n++ b/other\n\\ No newline at end of file\n<script>alert(1)</script>\nsame\r\nlast\n';

let folder: Awaited<ReturnType<typeof tempDir>>;
let diff: string;

const git = async (...args: string[]): Promise<string> => {
  const env = { PATH: process.env.PATH, HOME: folder.path, GIT_CONFIG_NOSYSTEM: '1' };
  const { stdout } = await run('git', args, { cwd: folder.path, env, maxBuffer: 100_000_000 });
  return stdout;
};

const write = async (name: string, content: string | Buffer): Promise<void> => {
  const path = join(folder.path, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
};

beforeAll(async () => {
  folder = await tempDir('diff-');
  await git('init', '-q');
  for (const name of NAMES) await write(name, BEFORE);
  await write('binary', Buffer.from([0, 1, 2]));
  await write('gone', 'a\nb\n');
  await write('becomes-link', 'text\n');
  await write('script.sh', 'true\n');
  await git('add', '-A');
  const tree = (await git('write-tree')).trim();
  for (const name of NAMES) await write(name, AFTER);
  await write('binary', Buffer.from([0, 1, 3]));
  await write('empty', '');
  await rm(join(folder.path, 'gone'));
  await rm(join(folder.path, 'becomes-link'));
  await symlink('<b>target', join(folder.path, 'becomes-link'));
  await git('add', '-A');
  await git('update-index', '--chmod=+x', 'script.sh');
  diff = await git('diff-index', '--cached', '--no-renames', '-p', '--full-index', tree);
});
afterAll(() => folder.remove());

describe('parseDiff', () => {
  const named = (path: string) => parseDiff(diff).filter((file) => file.path === path);

  it.each(NAMES)('reads the name %j and the lines below it', (name) => {
    const [file] = named(name);
    const lines = file?.hunks.flatMap((hunk) => hunk.lines) ?? [];
    const textOf = (side: 'before' | 'after') =>
      lines
        .filter((line) => line[side] !== undefined)
        .map((line) => line.text + (line.unended ? '' : '\n'))
        .join('');
    expect(textOf('before')).toBe(BEFORE);
    expect(textOf('after')).toBe(AFTER);
    expect(lines.filter((line) => line.before !== undefined).map((line) => line.before)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
  });

  it('finds each file once, and both sides of a file that became a link', () => {
    const paths = parseDiff(diff).map(({ path }) => path);
    const expected = [...NAMES, 'binary', 'empty', 'gone', 'becomes-link', 'becomes-link', 'script.sh'];
    expect(paths.sort()).toEqual(expected.sort());
  });

  it('says what is no text', () => {
    expect(named('binary')).toEqual([{ path: 'binary', binary: true, notes: [], hunks: [] }]);
    expect(named('empty')[0]).toMatchObject({ notes: ['new file mode 100644'], hunks: [] });
    expect(named('gone')[0]?.notes).toEqual(['deleted file mode 100644']);
    expect(named('script.sh')[0]?.notes).toEqual(['old mode 100644', 'new mode 100755']);
    expect(named('becomes-link').map(({ notes }) => notes[0])).toEqual([
      'deleted file mode 100644',
      'new file mode 120000',
    ]);
  });

  it('keeps what came of a diff that breaks off, whatever came', () => {
    for (let end = 0; end < diff.length; end += 37) {
      expect(parseDiff(diff.slice(0, end)).length).toBeLessThanOrEqual(parseDiff(diff).length);
    }
    expect(parseDiff('no diff at all')).toEqual([]);
  });

  it('reads 200,000 lines', () => {
    const body = Array.from({ length: 200_000 }, (_, line) => `+${line}`).join('\n');
    const [file] = parseDiff(`diff --git a/x b/x\n@@ -0,0 +1,200000 @@\n${body}\n`);
    expect(file?.hunks[0]?.lines.at(-1)).toEqual({ kind: 'added', text: '199999', after: 200_000 });
  });
});

describe('unquote', () => {
  it.each([
    ['"a"', 'a'],
    ['"\\303\\274"', 'ü'],
    ['"a\\tb\\n\\"\\\\"', 'a\tb\n"\\'],
    ['"\\377"', '\ufffd'],
  ])('%s', (quoted, name) => expect(unquote(quoted)).toBe(name));
});

describe('rows', () => {
  const [file] = parseDiff('diff --git a/x b/x\n@@ -1,4 +1,3 @@\n a\n-b\n-c\n+B\n d\n');
  if (!file) throw new Error('no file');

  it('of the unified view are in the order of the diff', () => {
    const lines = unifiedRows(file).map((row) => ('line' in row ? row.line.text : 'header'));
    expect(lines).toEqual(['header', 'a', 'b', 'c', 'B', 'd']);
  });

  it('of the split view have what was replaced beside each other', () => {
    const rows = splitRows(file).map((row) => ('header' in row ? [] : [row.left?.text, row.right?.text]));
    expect(rows).toEqual([[], ['a', 'a'], ['b', 'B'], ['c', undefined], ['d', 'd']]);
  });
});

describe('markWords', () => {
  const marked = (before: string, after: string) => {
    const marks = markWords(before, after);
    const show = (pieces: { text: string; changed: boolean }[] = []) =>
      pieces.map(({ text, changed }) => (changed ? `[${text}]` : text)).join('');
    return [show(marks?.before), show(marks?.after)];
  };

  it('marks the words that differ', () => {
    expect(marked('const a = 1;', 'const b = 1;')).toEqual(['const [a] = 1;', 'const [b] = 1;']);
    expect(marked('f(a, b)', 'f(a, c, b)')).toEqual(['f(a, b)', 'f(a, [c, ]b)']);
    expect(marked('same', 'same')).toEqual(['same', 'same']);
  });

  it('marks nothing in lines with little in common, or that are very long', () => {
    expect(markWords('return left;', 'throw new Error();')).toBeUndefined();
    expect(markWords('a '.repeat(5_000), 'b '.repeat(5_000))).toBeUndefined();
  });
});

describe('treeRows', () => {
  const changes = [
    { path: 'src/web/a.ts', change: 'added' as const, additions: 3, deletions: 0 },
    { path: 'src/web/deep/b.ts', change: 'modified' as const, additions: 1, deletions: 2 },
    { path: 'z.png', change: 'deleted' as const },
    { path: '__proto__/constructor', change: 'added' as const, additions: 1, deletions: 0 },
  ];

  it('has folders first, with the sums of what is in them', () => {
    expect(
      treeRows(changes, new Set()).map(({ level, name, additions }) => [level, name, additions]),
    ).toEqual([
      [1, '__proto__', 1],
      [2, 'constructor', 1],
      [1, 'src/web', 4],
      [2, 'deep', 1],
      [3, 'b.ts', 1],
      [2, 'a.ts', 3],
      [1, 'z.png', undefined],
    ]);
  });

  it('leaves out what is in closed folders, but counts it', () => {
    const rows = treeRows(changes, new Set(['src/web']));
    expect(rows.map(({ path }) => path)).toEqual(['__proto__', '__proto__/constructor', 'src/web', 'z.png']);
    expect(rows[2]).toMatchObject({ additions: 4, deletions: 2 });
  });
});
