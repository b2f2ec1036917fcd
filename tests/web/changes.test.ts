import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Download, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../http/rest.ts';
import type { ScriptedRun } from '../mcp/scripted-runner.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { FILE_NAMES } from './support/hostile.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();

/** Sets `pwned` if anything of it runs. */
const MARKUP = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';
const NAMES = [...FILE_NAMES, ' blanks '];
const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40" onload="globalThis.pwned=1">' +
  '<script>globalThis.pwned=1</script><rect width="90" height="40" fill="#0b5cc4"/></svg>';
const BYTES = Buffer.from(Array.from({ length: 5_000 }, (_, index) => index % 256));
const PROGRAM = `import { join } from 'node:path';\n\n/** ${MARKUP} */\nexport const where = join('a', 'b');\n`;

let server: Awaited<ReturnType<typeof startApi>>;
let folder: string;
let first: { id: string; run: ScriptedRun };
/** It changed what the first one had made. */
let second: { id: string; run: ScriptedRun };

const put = async (path: string, content: string | Buffer): Promise<void> => {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
};

async function begin(input: object = {}): Promise<{ id: string; run: ScriptedRun }> {
  const id = await server.api.start({ timeout_ms: 600_000, ...input });
  const run = await server.runner.turnOf(id);
  folder = (await server.api.get(`/tasks/${id}`)).body.directory;
  return { id, run };
}

beforeAll(async () => {
  server = await startApi({ maxFileSize: 20_000_000 });
  first = await begin();
  for (const name of NAMES) await put(name, `${MARKUP}\r\n\u202e\u001b[2J${name}\n`);
  await put('src/deep/where.ts', PROGRAM);
  await put('src/other.py', 'x = 1\n');
  await put('data.bin', BYTES);
  await put('picture.svg', SVG);
  await put('broken.png', '<html><script>globalThis.pwned=1</script></html>');
  await put('long.txt', `${'w'.repeat(5_000_000)}\n`);
  await put('many.txt', Array.from({ length: 30_000 }, (_, line) => `line ${line}\n`).join(''));
  await put('empty', '');
  first.run.complete('made');
  await server.bridge.until(first.id, ({ status }) => status === 'completed');
  second = await begin({ directory: folder });
  await put('src/deep/where.ts', PROGRAM.replace("join('a', 'b')", "join('a', 'c')"));
  await rm(join(folder, 'data.bin'));
  second.run.tool('bash', 'sed');
});
afterAll(() => server[Symbol.asyncDispose]());

const open = (task: { id: string }, query: Record<string, string> = {}, width = 1280) =>
  browser.open(`${server.http.url}/tasks/${task.id}?${new URLSearchParams({ tab: 'changes', ...query })}`, {
    width,
  });

const tree = (page: Page) => page.getByRole('tree');
const fileOf = (page: Page) => page.getByRole('region', { name: 'File', exact: true });
const choose = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();

/** What no page may be: wider than its window, full of nodes, or run by a task. */
async function expectSound(page: Page): Promise<void> {
  expect(
    await page.evaluate(
      '[globalThis.pwned, document.documentElement.scrollWidth <= innerWidth, document.querySelectorAll("*").length < 6000]',
    ),
  ).toEqual([undefined, true, true]);
}

async function bytesOf(download: Promise<Download>): Promise<Buffer> {
  return readFile(await (await download).path());
}

describe('files with hostile names', () => {
  it.each([360, 1280])('are listed and shown as text, %i pixels wide', async (width) => {
    await using view = await open(first, {}, width);
    const { page } = view;
    await tree(page).getByText('ünïcödé').waitFor();
    expect(await tree(page).getByText('safe⟨U+202E⟩gpj.exe').count()).toBe(1);
    expect(await tree(page).getByText('line␊feed ␛[31m.txt').count()).toBe(1);
    await page.getByText(`+${MARKUP}␍`).first().waitFor();
    await expectSound(page);
    await screenshot(page, `changes-hostile-${width}`, { fullPage: true });
  });

  it.each(NAMES)('%j is opened by its link, and has its content', async (name) => {
    await using view = await open(first, { file: name, show: 'content' });
    const { page } = view;
    await fileOf(page).getByText('⟨U+202E⟩␛[2J').waitFor();
    expect(await fileOf(page).locator('.text').first().textContent()).toBe(`${MARKUP}␍`);
    expect(new URL(page.url()).searchParams.get('file')).toBe(name);
    await expectSound(page);
    const download = page.waitForEvent('download');
    await choose(page, 'Download');
    expect((await bytesOf(download)).toString()).toBe(`${MARKUP}\r\n\u202e\u001b[2J${name}\n`);
  });
});

describe('a diff', () => {
  it('marks the words that changed, beside each other or below each other', async () => {
    await using view = await open(second, { file: 'src/deep/where.ts' });
    const { page } = view;
    await page.locator('.line-added mark').waitFor();
    expect(await page.locator('.diff mark').allTextContents()).toEqual(['b', 'c']);
    await choose(page, 'Split');
    const sides = page.locator('.row', { has: page.locator('mark') }).locator('.side code');
    expect(await sides.allTextContents()).toEqual([
      "export const where = join('a', 'b');",
      "export const where = join('a', 'c');",
    ]);
    await page.reload();
    await page.locator('.diff.split').waitFor();
    await screenshot(page, 'changes-split');
  });

  it('of 30,000 lines exists only near the window', async () => {
    await using view = await open(first, { file: 'many.txt' });
    const { page } = view;
    await page.getByText('line 10', { exact: true }).waitFor();
    await expectSound(page);
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    await page.getByText('line 29999', { exact: true }).waitFor();
    await expectSound(page);
  });

  it('of a line of 5 MB shows its beginning', async () => {
    await using view = await open(first, { file: 'long.txt' });
    await view.page.getByText('4,998,000 more characters').waitFor();
    await expectSound(view.page);
  });

  it('of a deleted binary file says so', async () => {
    await using view = await open(second, { file: 'data.bin' });
    await view.page.getByText('Binary file; there are no lines to compare.').waitFor();
    expect(await view.page.getByRole('button', { name: 'Download', exact: true }).count()).toBe(0);
  });
});

describe('the content of a file', () => {
  it('has colours, which a worker makes', async () => {
    await using view = await open(first, { file: 'src/deep/where.ts', show: 'content' });
    const { page } = view;
    await page.locator('.hljs-keyword', { hasText: 'export' }).waitFor();
    expect(await page.locator('.hljs-comment').allTextContents()).toEqual([`/** ${MARKUP} */`]);
    await expectSound(page);
  });

  it('of an image is the image, whose address is given up', async () => {
    await using view = await open(first, { file: 'picture.svg' });
    const { page } = view;
    view.faults.allow(/ERR_FILE_NOT_FOUND|blob:/);
    await page.getByText('90 × 40').waitFor();
    const image = page.getByRole('img', { name: 'picture.svg' });
    const alive = await image.evaluate(
      (element) =>
        new Promise((resolve) => {
          const again = element.cloneNode();
          again.addEventListener('load', () => resolve(true));
          again.addEventListener('error', () => resolve(false));
        }),
    );
    expect(alive).toBe(false);
    await expectSound(page);
  });

  it('that only says it is an image is no image', async () => {
    await using view = await open(first, { file: 'broken.png' });
    view.faults.allow(/blob:/);
    await view.page.getByText('No image that this browser knows').waitFor();
    await expectSound(view.page);
  });

  it('of a binary file is its size', async () => {
    await using view = await open(first, { file: 'picture.svg' });
    await put('late.bin', BYTES);
    await view.page.goto(view.page.url().replace('picture.svg', 'late.bin&files=all'));
    await view.page.getByText('Binary file, 5.0 kB').waitFor();
  });

  it('of a long line and of nothing', async () => {
    await using view = await open(first, { file: 'long.txt', show: 'content' });
    await view.page.getByText('This is the beginning of 5.0 MB').waitFor();
    await view.page.getByText('1,046,576 more characters').waitFor();
    await expectSound(view.page);
    await tree(view.page).getByRole('treeitem', { name: 'empty' }).click();
    await choose(view.page, 'File');
    await view.page.getByText('The file is empty.').waitFor();
  });

  it('that does not exist says so', async () => {
    await using view = await open(first, { file: '../../etc/passwd' });
    view.faults.allow(/40[034]/);
    await view.page.getByRole('alert').waitFor();
  });
});

describe('the files', () => {
  it('are walked through by keys, and the back button goes back', async () => {
    await using view = await open(first);
    const { page } = view;
    const row = (name: string) => tree(page).getByRole('treeitem', { name: new RegExp(`^${name}`) });
    await row('src').focus();
    // Into the folder, close the one in it, back to it, close it.
    for (const key of ['ArrowRight', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key);
    await row('deep').waitFor({ state: 'detached' });
    await page.keyboard.press('ArrowRight');
    await row('deep').waitFor();
    for (const key of ['ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    await row('where.ts').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await fileOf(page).getByText('src/deep/where.ts').waitFor();
    expect(new URL(page.url()).searchParams.get('file')).toBe('src/deep/where.ts');
    await page.goBack();
    await page.getByRole('region', { name: 'src/other.py' }).waitFor();
  });

  it('that did not change can be looked at too', async () => {
    await using view = await open(second);
    const { page } = view;
    await choose(page, 'All files');
    await tree(page).getByRole('treeitem', { name: /^src/ }).click();
    await tree(page).getByRole('treeitem', { name: 'other.py' }).click();
    await fileOf(page).getByText('x = 1').waitFor();
  });

  it('come as an archive', async () => {
    await using view = await open(first);
    const download = view.page.waitForEvent('download');
    await choose(view.page, 'Download all');
    expect((await download).suggestedFilename()).toBe(`${first.id}.tar`);
    expect((await bytesOf(download)).includes(SVG)).toBe(true);
  });

  it('appear while the task works', async () => {
    const task = await begin();
    await using view = await open(task);
    await view.page.getByText('No file has changed yet.').waitFor();
    await put('fresh.txt', 'fresh\n');
    task.run.emit({ kind: 'file_changed', path: 'fresh.txt', tool: 'write' });
    await tree(view.page).getByText('fresh.txt').waitFor();
    await put('fresh.txt', 'fresh\nmore\n');
    task.run.complete('done');
    await view.page.getByText('more', { exact: true }).waitFor();
  });
});

it.each([
  ['light', '&file=src/deep/where.ts'],
  ['dark', '&file=src/deep/where.ts&show=content'],
  ['dark', ''],
  ['light', '&files=all'],
] as const)('axe finds nothing serious in the view %s %s', async (scheme, query) => {
  const url = `${server.http.url}/tasks/${second.id}?tab=changes${query}`;
  await using view = await browser.open(url, { scheme });
  await tree(view.page).getByRole('treeitem').first().waitFor();
  await view.page.getByText('join').first().waitFor();
  expect(await seriousBarriers(view.page)).toEqual([]);
});
