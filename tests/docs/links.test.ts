import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT });

it.each(PAGES)('every link of %s leads to a file and a heading', (page) => {
  const links = prose(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g);
  const broken = [...links].filter(([, path = '', anchor]) => {
    const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
    if (anchor === undefined) return globSync(target, { cwd: ROOT }).length === 0;
    return !PAGES.includes(target) || !anchors(target).includes(anchor);
  });
  expect(broken.map(([link]) => link)).toEqual([]);
});

it('every path that CONTRIBUTING.md names exists', () => {
  const named = prose('CONTRIBUTING.md').match(/(?<=`)(src|tests|docs|\.ci)\/[^`*\s]*(?=`)/g) ?? [];
  expect(named).toContain('src/runners/runner.ts');
  expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

it('CONTRIBUTING.md lists the folders of src', () => {
  const listed = prose('CONTRIBUTING.md').match(/(?<=^\| `)[a-z/-]+(?=\/` )/gm);
  const top = globSync('src/*/', { cwd: ROOT }).map((folder) => folder.replace('src/', ''));
  expect(listed?.filter((folder) => !folder.includes('/')).sort()).toEqual(top.sort());
});

/** As GitHub makes them from headings. */
function anchors(page: string): string[] {
  const headings = prose(page).match(/(?<=^#+ ).*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The text without code, in which brackets mean something else. */
function prose(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8').replace(/^```.*?^```/gms, '');
}
