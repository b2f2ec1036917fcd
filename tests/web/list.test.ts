import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { reopen, startPageServer, startSessions } from './browser.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();

const ROOM = { limits: { maxConcurrent: 300, maxQueued: 300 } };
const rows = (page: Page) => page.locator('.task-item');
const descriptions = (page: Page) => page.locator('.task-item a').allTextContents();
const focused = (page: Page) => page.evaluate('document.activeElement?.textContent');

test('an empty list says how to hand over a task', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  await page.getByRole('link', { name: 'Hand over the first task' }).waitFor();
  expect(await page.locator('.command pre').allTextContents()).toEqual([
    expect.stringContaining(`curl -s -X POST '${server.http.url}/tasks/execute'`),
    `claude mcp add --transport http opencode ${server.http.url}/mcp`,
  ]);
  expect(await seriousBarriers(page)).toEqual([]);
  await server.api.start({ task_description: 'The first one.' });
  await expect.poll(() => descriptions(page)).toEqual(['The first one.']);
});

test('the list stays true: a task that asks comes first, one that ends goes last', async () => {
  await using server = await startPageServer(ROOM);
  const { api } = server;
  const { runner } = server.bridge;
  const ids: string[] = [];
  for (const name of ['one', 'two', 'three'])
    ids.push(await api.start({ task_description: name, agent_id: name }));
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  await expect.poll(() => descriptions(page)).toEqual(['three', 'two', 'one']);

  const [first, second] = await Promise.all(ids.map((id) => runner.turnOf(id)));
  first?.ask({ id: 'per_1', type: 'permission', title: 'rm -rf build' });
  await expect.poll(() => descriptions(page)).toEqual(['one', 'three', 'two']);
  await expect.poll(() => page.title()).toBe('(1) Tasks · letta-opencode');
  expect(await rows(page).first().locator('.task-state').textContent()).toBe('Asks you');
  await page.getByText('A task asks you.').waitFor();

  second?.complete('It is done.');
  await page.getByText('It is done.').waitFor();
  expect(await descriptions(page)).toEqual(['one', 'three', 'two']);
  await page.getByRole('button', { name: /Completed 1$/ }).waitFor();
  await screenshot(page, 'list');
  expect(await seriousBarriers(page)).toEqual([]);
});

test('filter and search are in the URL, and the back button goes through them', async () => {
  await using server = await startPageServer(ROOM);
  const { api } = server;
  const { runner } = server.bridge;
  for (const name of ['Fix the parser', 'Fix the lexer', 'Write docs']) {
    const id = await api.start({ task_description: name });
    if (name === 'Write docs') (await runner.turnOf(id)).complete('done');
  }
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  await expect.poll(() => descriptions(page)).toHaveLength(3);
  await page.getByRole('button', { name: /^Running/ }).click();
  await expect.poll(() => descriptions(page)).toEqual(['Fix the lexer', 'Fix the parser']);
  await page.getByRole('searchbox').fill('LEX');
  await expect.poll(() => descriptions(page)).toEqual(['Fix the lexer']);
  expect(new URL(page.url()).search).toBe('?status=running&q=LEX');

  // Who opens the link sees the same, and what comes later and matches.
  await using other = await browser.open(page.url());
  await expect.poll(() => descriptions(other.page)).toEqual(['Fix the lexer']);
  await api.start({ task_description: `${'A long introduction. '.repeat(20)} Then flex.` });
  await expect.poll(() => descriptions(other.page)).toHaveLength(2);
  await api.start({ task_description: 'Something else' });

  await page.goBack();
  await expect.poll(() => descriptions(page)).toHaveLength(4);
  expect(await page.getByRole('searchbox').inputValue()).toBe('');
  await page.goBack();
  await expect.poll(() => descriptions(page)).toHaveLength(5);
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByText('No task matches').waitFor();
});

test('a filter that is chosen while the first page is on its way is loaded as well', async () => {
  await using server = await startPageServer(ROOM);
  await server.api.start({ task_description: 'one' });
  await using opened = await browser.open(`${server.http.url}/system`);
  const { page } = opened;
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const isUnfiltered = (url: URL) => url.pathname === '/tasks' && !url.searchParams.has('status');
  await page.route(isUnfiltered, async (route) => {
    asked.resolve();
    await go.promise;
    await route.continue();
  });
  await page.getByRole('link', { name: 'Tasks', exact: true }).click();
  await asked.promise;
  await page.getByRole('button', { name: /^Running/ }).click();
  await expect.poll(() => descriptions(page)).toEqual(['one']);
  go.resolve();
  await page.getByRole('button', { name: 'All', exact: true }).click();
  await expect.poll(() => descriptions(page)).toEqual(['one']);
});

test('the keys move through the rows, open one, and come back to it', async () => {
  await using server = await startPageServer(ROOM);
  for (const name of ['c', 'b', 'a']) await server.api.start({ task_description: name });
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  await expect.poll(() => descriptions(page)).toEqual(['a', 'b', 'c']);
  await page.keyboard.press('ArrowDown');
  expect(await focused(page)).toBe('a');
  await page.keyboard.press('j');
  expect(await focused(page)).toBe('b');
  await page.keyboard.press('End');
  expect(await focused(page)).toBe('c');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('k');
  expect(await focused(page)).toBe('b');

  // A row that moves keeps the focus, and the Tab key comes back to it.
  const [id] = (await server.api.get('/tasks?text=b')).body.tasks.map(
    (task: { task_id: string }) => task.task_id,
  );
  (await server.bridge.runner.turnOf(id)).ask({ id: 'per_1', type: 'permission', title: 'x' });
  await expect.poll(() => descriptions(page)).toEqual(['b', 'a', 'c']);
  expect(await focused(page)).toBe('b');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('b');

  await page.keyboard.press('Enter');
  await page.waitForURL(/\/tasks\/task_/);
  await page.goBack();
  await expect.poll(() => focused(page)).toBe('b');
  await page.keyboard.press('Home');
  expect(await focused(page)).toBe('b');
});

test('a removed task leaves the list', async () => {
  await using server = await startPageServer(ROOM);
  const { api } = server;
  await api.start({ task_description: 'stays' });
  const id = await api.start({ task_description: 'goes' });
  (await server.bridge.runner.turnOf(id)).complete('done');
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  await expect.poll(() => descriptions(page)).toEqual(['stays', 'goes']);
  await page.getByRole('button', { name: /Completed 1$/ }).waitFor();
  expect((await api.send('DELETE', `/tasks/${id}`)).status).toBe(204);
  await expect.poll(() => descriptions(page)).toEqual(['stays']);
  await page.getByRole('button', { name: /Completed 0$/ }).waitFor();
});

test('older tasks are loaded on demand, and counted when they are known', async () => {
  await using server = await startPageServer(ROOM);
  for (let index = 0; index < 130; index += 1) {
    const id = await server.api.start({ task_description: `Task ${index}` });
    if (index > 0) (await server.bridge.runner.turnOf(id)).complete('done');
  }
  await expect.poll(async () => (await server.api.get('/tasks?status=running')).body.tasks.length).toBe(1);
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  // The open task is older than the first page.
  await expect.poll(() => rows(page).count()).toBe(101);
  expect((await descriptions(page))[0]).toBe('Task 0');
  await page.getByRole('button', { name: /Completed 100\+/ }).waitFor();
  await page.getByRole('button', { name: 'Load older tasks' }).click();
  await expect.poll(() => rows(page).count()).toBe(130);
  await page.getByRole('button', { name: /Completed 129$/ }).waitFor();
  expect(await page.getByRole('button', { name: 'Load older tasks' }).count()).toBe(0);
});

test('a bridge that stops is said, and what happened meanwhile is shown when it is back', async () => {
  await using kept = await startSessions();
  await using server = await startPageServer({ ...ROOM, kept: kept.store });
  const id = await server.api.start({ task_description: 'one' });
  await using opened = await browser.open(server.http.url);
  const { page, faults } = opened;
  faults.allow(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING/);
  await expect.poll(() => descriptions(page)).toEqual(['one']);
  await server.http.close();
  await page.getByText('The connection to the bridge is lost.').waitFor();
  (await server.bridge.runner.turnOf(id)).complete('over');

  await using _again = await reopen(server, kept.store);
  await page.getByText('over').waitFor();
  await expect.poll(() => page.getByText('The connection to the bridge is lost.').isVisible()).toBe(false);
  await page.close();
});

test('times are right although the clock of the browser is off by an hour', async () => {
  await using server = await startPageServer(ROOM);
  await server.api.start({ task_description: 'one' });
  await using opened = await browser.open(server.http.url);
  const { page, context } = opened;
  // The scripts add up: an hour ahead, then an hour behind.
  for (const hours of [1, -2]) {
    await context.addInitScript(`{ const now = Date.now; Date.now = () => now() + ${hours} * 3_600_000; }`);
    await page.reload();
    await page.locator('.task-item').waitFor();
    expect(await page.locator('.task-age').textContent()).toMatch(/^\d+ s ago$/);
    expect(await page.locator('.task-time').textContent()).toMatch(/^Ran [\d.]+ m?s$/);
  }
});

test('a hostile description is text, and breaks no layout', async () => {
  await using server = await startPageServer(ROOM);
  await server.api.start({ task_description: '<img src=x onerror=alert(1)><script>alert(2)</script>' });
  await server.api.start({ task_description: 'sa\u202efe\u0007 \u001b[31mred\u200b' });
  await server.api.start({ task_description: 'x'.repeat(5_000), agent_id: 'y'.repeat(200) });
  for (const width of [360, 800, 3840]) {
    await using opened = await browser.open(server.http.url, { width });
    const { page } = opened;
    await expect.poll(() => descriptions(page)).toHaveLength(3);
    expect((await descriptions(page)).slice(1)).toEqual([
      'sa⟨U+202E⟩fe␇ ␛[31mred⟨U+200B⟩',
      '<img src=x onerror=alert(1)><script>alert(2)</script>',
    ]);
    const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
    expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0);
    await screenshot(page, `list-hostile-${width}`);
  }
});

test('200 tasks that work at once leave the page smooth', async () => {
  await using server = await startPageServer({ ...ROOM, limits: { maxConcurrent: 250, maxQueued: 250 } });
  const ids: string[] = [];
  for (let index = 0; index < 200; index += 1) {
    ids.push(await server.api.start({ task_description: `Task ${index}` }));
  }
  const turns = await Promise.all(ids.map((id) => server.bridge.runner.turnOf(id)));
  await using opened = await browser.open(server.http.url);
  const { page } = opened;
  await expect.poll(() => rows(page).count()).toBe(200);
  await page.evaluate('setInterval(() => scrollBy(0, 40), 16)');
  const workedMs = await measureWork(page);
  const rounds = 10;
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, turn] of turns.entries()) turn.emit(usage(round * 1_000 + index));
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
  }
  const newest = rows(page).first().locator('.task-cost');
  await expect.poll(() => newest.getAttribute('title')).toContain('10,199');
  // Time of the processor: how busy the machine is otherwise has no part in it.
  expect(await workedMs()).toBeLessThan(rounds * 100);
});

/** Gives the milliseconds for which the main thread of the page has worked since now. */
async function measureWork(page: Page): Promise<() => Promise<number>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const busyMs = async (): Promise<number> => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
  };
  const before = await busyMs();
  return async () => (await busyMs()) - before;
}

function usage(input_tokens: number) {
  const rest = {
    output_tokens: 0,
    reasoning_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    cost_usd: 0.1,
  };
  return { kind: 'usage' as const, usage: { input_tokens, ...rest } };
}
