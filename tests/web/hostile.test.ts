import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';
import { ANSI, BIDI, EVERYTHING, FILE_NAMES, LINKS, MARKUP } from './support/hostile.ts';
import { screenshot } from './support/screenshot.ts';
import { unsound } from './support/sound.ts';
import { TABS } from './support/tabs.ts';

const browser = useBrowser();
const LONG_LINE = 'x'.repeat(5_000_000);

let server: Awaited<ReturnType<typeof startPageServer>>;
/** A task whose every word is hostile, which asks two things; and the same one after its end. */
let asking: string;
let ended: string;

beforeAll(async () => {
  server = await startPageServer({ limits: { maxDescriptionLength: 1_000_000 }, maxFileSize: 10_000_000 });
  asking = await hostileTask();
  ended = await hostileTask();
  const run = await server.bridge.runner.turnOf(ended);
  run.complete(EVERYTHING);
  await server.bridge.until(ended, ({ status }) => status === 'completed');
});
afterAll(() => server[Symbol.asyncDispose]());

/** Does everything that an agent can make the bridge store. */
async function hostileTask(): Promise<string> {
  const id = await server.api.start({ task_description: EVERYTHING });
  const run = await server.bridge.runner.turnOf(id);
  const directory = server.bridge.log.get(id)?.directory ?? '';
  for (const name of FILE_NAMES) await writeFile(join(directory, name), `${EVERYTHING}\n`.repeat(3));
  await mkdir(join(directory, MARKUP.slice(0, 20)));
  await writeFile(join(directory, 'long.txt'), LONG_LINE);
  await writeFile(
    join(directory, 'image.svg'),
    '<svg xmlns="http://www.w3.org/2000/svg" onload="globalThis.pwned=1" width="9" height="9">' +
      '<script>globalThis.pwned=1</script><image href="https://example.org/x.png"/></svg>',
  );
  await writeFile(join(directory, 'image.png'), '<html><script>globalThis.pwned=1</script></html>');
  run.tool('bash', EVERYTHING.slice(0, 200), `${ANSI}${MARKUP}`);
  run.tool(MARKUP.slice(0, 60), BIDI, LINKS);
  for (const name of FILE_NAMES) run.emit({ kind: 'file_changed', path: name, tool: 'write' });
  run.emit(
    { kind: 'output', text: EVERYTHING, message_id: 'm', part_id: 'p1' },
    { kind: 'output', text: LONG_LINE, message_id: 'm', part_id: 'p2' },
    { kind: 'todo', items: [{ content: EVERYTHING, status: MARKUP, priority: BIDI }] },
    { kind: 'warning', code: MARKUP, message: EVERYTHING },
    { kind: 'retrying', attempt: 1, message: EVERYTHING, next_at: Date.now() + 60_000 },
  );
  run.ask({ id: 'per_1', type: 'permission', title: MARKUP, permission: BIDI, patterns: [EVERYTHING] });
  const options = [{ label: MARKUP, description: EVERYTHING }];
  run.ask({
    id: 'que_1',
    type: 'question',
    title: BIDI,
    questions: [{ header: MARKUP, question: EVERYTHING, options }],
  });
  return id;
}

describe.each([360, 1280])('hostile words of a task are shown as words, %i pixels wide', (width) => {
  it('in the list', async () => {
    await using view = await browser.open(`${server.http.url}/`, { width });
    await view.page.getByRole('list', { name: 'Tasks' }).getByRole('link').first().waitFor();
    await screenshot(view.page, `hostile-list-${width}`);
    expect(await unsound(view.page)).toEqual([]);
    expect(await view.page.title()).not.toContain('owned');
  });

  it('in the state of the bridge', async () => {
    const { runner } = server.bridge;
    const works = runner.dependencies;
    runner.dependencies = [MARKUP, BIDI, ANSI].map((name) => ({
      name,
      status: 'degraded',
      detail: EVERYTHING,
    }));
    await using view = await browser.open(`${server.http.url}/system`, { width });
    await view.page
      .getByRole('cell', { name: /onerror/ })
      .first()
      .waitFor();
    await screenshot(view.page, `hostile-system-${width}`);
    expect(await unsound(view.page)).toEqual([]);
    expect(await view.page.title()).toBe('Degraded · System · letta-opencode');
    runner.dependencies = works;
  });

  it('in what a new task may be given, in its refusal, and in the task that it continues', async () => {
    const { runner } = server.bridge;
    runner.choices = async () => ({
      models: [{ id: `a/${BIDI}`, name: EVERYTHING, provider: MARKUP }],
      agents: [{ name: BIDI, description: `${BIDI}${EVERYTHING}` }],
      model: `a/${EVERYTHING}`,
      agent: EVERYTHING,
    });
    await using view = await browser.open(`${server.http.url}/new?continue=${ended}`, { width });
    const { page, faults } = view;
    faults.allow(/status of 400/);
    await page.getByRole('link', { name: /onerror/ }).waitFor();
    await page.locator('#field-agent-list option').waitFor({ state: 'attached' });
    expect(await unsound(page)).toEqual([]);
    await page.getByLabel('What to do').fill(EVERYTHING);
    await page.getByLabel('Model', { exact: true }).fill(EVERYTHING);
    await page.getByRole('button', { name: 'Execute' }).click();
    await expect.poll(() => page.locator('#field-model-error').textContent()).toContain('onerror');
    await screenshot(page, `hostile-new-${width}`);
    expect(await unsound(page)).toEqual([]);

    runner.choices = () => Promise.reject(new Error(EVERYTHING));
    await page.goto(`${server.http.url}/new`);
    await page.getByText('The lists are missing').waitFor();
    expect(await unsound(page)).toEqual([]);
  });

  it.each(TABS)('in the view $name', async ({ id, name }) => {
    for (const [state, task] of Object.entries({ asking, ended })) {
      await using view = await browser.open(`${server.http.url}/tasks/${task}?tab=${id}`, { width });
      const { page } = view;
      await page.getByRole('tab', { name, selected: true }).waitFor();
      await untilShown(page, page.getByRole('tabpanel').getByText(/onerror|example\.org|safe/));
      const live = await (await server.bridge.runner.turnOf(task)).live;
      if (state === 'asking' && live.wanted) {
        live.append({ kind: 'text', id: 'live_1', child: false }, `${EVERYTHING} live`);
      }
      await screenshot(page, `hostile-${state}-${id}-${width}`);
      expect(await unsound(page)).toEqual([]);
    }
  });
});

describe('what a person opens', () => {
  it('each file, as a diff and as content', async () => {
    await using view = await browser.open(`${server.http.url}/tasks/${ended}?tab=changes`);
    const { page } = view;
    const items = page.getByRole('tree', { name: 'Changed files' }).getByRole('treeitem');
    await items.first().waitFor();
    const files = await items.all();
    expect(files.length).toBeGreaterThan(FILE_NAMES.length);
    for (const file of files) {
      await file.click();
      const content = page.getByRole('button', { name: 'File', exact: true });
      if ((await content.count()) > 0) await content.click();
      await expect.poll(() => page.getByText('Loading…').count()).toBe(0);
      expect(await unsound(page), await file.getAttribute('title').then(String)).toEqual([]);
    }
  });

  it('each event', async () => {
    await using view = await browser.open(`${server.http.url}/tasks/${asking}?tab=raw`);
    const { page } = view;
    const folded = page.getByRole('tabpanel').locator('[aria-expanded=false]');
    await untilShown(page, folded);
    for (let opened = 0; opened < 30 && (await folded.count()) > 0; opened += 1) {
      await folded.first().dispatchEvent('click');
    }
    expect(await unsound(page)).toEqual([]);
  });
});

/** Rows are drawn where the window shows them, and the requests above may fill it. */
async function untilShown(page: Page, wanted: Locator): Promise<void> {
  await expect
    .poll(
      async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
        return wanted.count();
      },
      { timeout: 60_000 },
    )
    .toBeGreaterThan(0);
}
