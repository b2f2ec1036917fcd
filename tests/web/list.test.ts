import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { reopen, startPageServer, startSessions } from './browser.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { worstTask } from './support/long-tasks.ts';
import { signIn } from './support/person.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();

const ROOM = { limits: { maxConcurrent: 300, maxQueued: 300 } };
const TOKEN = 'a-token-of-a-person';
/** The list's first question; it asks for the open ones by their status. */
const isTasks = ({ pathname, searchParams }: URL) => pathname === '/tasks' && !searchParams.has('status');
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
  await page.route(isTasks, async (route) => {
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
  faults.allow(/ERR_CONNECTION_(REFUSED|RESET)|ERR_INCOMPLETE_CHUNKED_ENCODING/);
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
    await page.locator('.task-age time').hover();
    expect(await page.locator('.task-age time').getAttribute('title')).toMatch(/20\d\d.*:\d\d:\d\d/);
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
  const newest = rows(page).first().locator('.task-cost');
  const worst = await worstTask(page, async () => {
    for (let round = 1; round <= 10; round += 1) {
      for (const [index, turn] of turns.entries()) turn.emit(usage(round * 1_000 + index));
      await page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
    }
    await expect.poll(() => newest.textContent()).toContain('10.2k');
  });
  expect(worst).toBeLessThan(100);
});

test('the exact number of tokens is said on hover', async () => {
  await using server = await startPageServer(ROOM);
  const turn = await server.bridge.runner.turnOf(await server.api.start());
  turn.emit(usage(10_199));
  await using opened = await browser.open(server.http.url);
  const cost = opened.page.locator('.task-cost');
  const title = () => cost.getAttribute('title');
  await expect.poll(() => cost.textContent()).toContain('10.2k');
  await cost.hover();
  await expect.poll(title).toBe('10,199 tokens');
  // Also while the pointer stays.
  turn.emit(usage(20_000));
  await expect.poll(title).toBe('20,000 tokens');
});

test('the tasks are asked for once, while the scripts load, with and without tokens', async () => {
  for (const tokens of [[], [{ token: TOKEN }]]) {
    await using server = await startPageServer({ ...ROOM, tokens }, { authorization: `Bearer ${TOKEN}` });
    await server.api.start({ task_description: 'one' });
    await using opened = await browser.open(server.http.url);
    const { page } = opened;
    if (tokens.length > 0) await signIn(page, TOKEN);
    await expect.poll(() => descriptions(page)).toEqual(['one']);
    const asked: string[] = [];
    page.on('request', (request) => {
      const { pathname, search } = new URL(request.url());
      asked.push(pathname + search);
    });
    await page.reload();
    await expect.poll(() => descriptions(page)).toEqual(['one']);
    await expect.poll(() => asked.some((url) => url.startsWith('/events'))).toBe(true);
    expect(asked.filter((url) => url.startsWith('/tasks'))).toEqual(['/tasks?agent_id=*&limit=100']);
  }
});

test('a bridge that takes its time for the tasks, or never says them, leaves a page that can be used', async () => {
  await using server = await startPageServer(ROOM);
  await server.api.start({ task_description: 'one' });
  const go = Promise.withResolvers<void>();
  const holdTasks = (page: Page) =>
    page.route(isTasks, async (route) => {
      await go.promise;
      await route.continue();
    });
  await using opened = await browser.open(server.http.url, { before: holdTasks });
  const { page } = opened;
  await page.getByText('Loading…').waitFor();
  await page.getByRole('link', { name: 'New task' }).first().click();
  await page.getByRole('heading', { name: 'New task' }).waitFor();
  await page.goBack();
  await page.getByText('Loading…').waitFor();
  go.resolve();
  await expect.poll(() => descriptions(page)).toEqual(['one']);
  await server.api.start({ task_description: 'two' });
  await expect.poll(() => descriptions(page)).toEqual(['two', 'one']);
});

test.each([
  ['an error', 500, 'application/problem+json', '{"code":"INTERNAL","detail":"It broke."}'],
  ['no JSON', 200, 'text/html', '<html>A proxy says hello.</html>'],
])('for an answer that is %s the connection is lost, until the bridge answers', async (_, ...answer) => {
  const [status, contentType, body] = answer;
  await using server = await startPageServer(ROOM);
  await server.api.start({ task_description: 'one' });
  const lie = (page: Page) => page.route(isTasks, (route) => route.fulfill({ status, contentType, body }));
  await using opened = await browser.open(server.http.url, { before: lie });
  const { page, faults } = opened;
  faults.allow(/status of 500/);
  await page.getByText('The connection to the bridge is lost.').waitFor();
  await page.unroute(isTasks);
  await expect.poll(() => descriptions(page)).toEqual(['one']);
});

test('a key leads to a row that the browser has had no time to draw', async () => {
  await using server = await startPageServer(ROOM);
  for (let index = 0; index < 45; index += 1) await server.api.start({ task_description: `Task ${index}` });
  const neverIdle = (page: Page) => page.addInitScript('globalThis.requestIdleCallback = () => 0');
  await using opened = await browser.open(server.http.url, { before: neverIdle });
  const { page } = opened;
  await expect.poll(() => rows(page).count()).toBe(20);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await expect.poll(() => focused(page)).toBe('Task 0');
  expect(await rows(page).count()).toBe(45);
  await page.keyboard.press('k');
  expect(await focused(page)).toBe('Task 1');
});

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
