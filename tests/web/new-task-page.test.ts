import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startPageServer } from './browser.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();

const field = (page: Page, label: string) => page.getByLabel(label, { exact: true });
const errorOf = (page: Page, name: string) => page.locator(`#field-${name}-error`);

test('a task is handed over with what was chosen, and shown', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(`${server.http.url}/new`);
  const { page } = opened;
  await field(page, 'What to do').fill('Write hello.py.\nRun it.');
  await field(page, 'Model').fill('anthropic/claude');
  await field(page, 'Agent of OpenCode').fill('build');
  await field(page, 'Time limit').fill('5m');
  await field(page, 'Cost limit in US$').fill('0.5');
  await field(page, 'Token limit').fill('200k');
  await page.getByText('More', { exact: true }).click();
  await field(page, 'Owner').fill('ann');
  await screenshot(page, 'new-task');
  expect(await seriousBarriers(page)).toEqual([]);
  await field(page, 'What to do').press('Control+Enter');
  await page.waitForURL(/\/tasks\/task_/);
  const { body } = await server.api.get(`${new URL(page.url()).pathname}?agent_id=ann`);
  expect(body).toMatchObject({
    description: 'Write hello.py.\nRun it.',
    model: 'anthropic/claude',
    agent: 'build',
    agent_id: 'ann',
    limits: { timeout_ms: 300_000, max_cost_usd: 0.5, max_tokens: 200_000 },
  });
  await page.goBack();
  await expect.poll(() => field(page, 'What to do').inputValue()).toBe('');
});

test('a draft survives a reload and a visit elsewhere, and can be discarded', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(`${server.http.url}/new`);
  const { page } = opened;
  await field(page, 'What to do').fill('Half a thou');
  await field(page, 'Time limit').fill('5m');
  await page.reload();
  await expect.poll(() => field(page, 'What to do').inputValue()).toBe('Half a thou');
  await page.getByRole('link', { name: 'Tasks' }).click();
  await page.getByRole('link', { name: 'New task' }).first().click();
  await expect.poll(() => field(page, 'Time limit').inputValue()).toBe('5m');
  await page.getByRole('button', { name: 'Discard the draft' }).click();
  await page.reload();
  await page.getByRole('button', { name: 'Execute' }).waitFor();
  expect(await field(page, 'What to do').inputValue()).toBe('');
});

test('errors are at the field that they are about', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(`${server.http.url}/new`);
  const { page, faults } = opened;
  faults.allow(/status of 400/);
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.getByText('Say what has to be done.').waitFor();
  await field(page, 'What to do').fill('x');
  expect(await errorOf(page, 'description').textContent()).toBe('');

  await field(page, 'Directory').fill('/etc');
  await field(page, 'Model').fill('nothing');
  await field(page, 'Time limit').fill('30d');
  await page.getByRole('button', { name: 'Execute' }).click();
  // The bridge names the first of them.
  await expect.poll(() => errorOf(page, 'timeLimit').textContent()).toContain('is not between');
  await expect.poll(() => page.evaluate('document.activeElement.name')).toBe('timeLimit');
  expect(await field(page, 'Time limit').getAttribute('aria-invalid')).toBe('true');
  await screenshot(page, 'new-task-errors');
  expect(await seriousBarriers(page)).toEqual([]);
  await field(page, 'Time limit').fill('5m');
  await page.getByRole('button', { name: 'Execute' }).click();
  await expect.poll(() => errorOf(page, 'model').textContent()).toContain('provider/model');
  await field(page, 'Model').fill('a/b');
  await page.getByRole('button', { name: 'Execute' }).click();
  await expect.poll(() => errorOf(page, 'directory').textContent()).toContain('outside the allowed folders');
  expect((await server.api.get('/tasks')).body.tasks).toEqual([]);
});

test('a double click, and a request whose answer was lost, make one task', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(`${server.http.url}/new`);
  const { page, faults } = opened;
  faults.allow(/ERR_FAILED/);
  // The bridge gets the request, the page no answer.
  const lose = async () => {
    await page.route('**/tasks/execute*', async (route) => {
      await route.fetch();
      await route.abort('failed');
    });
  };
  await lose();
  await field(page, 'What to do').fill('Once.');
  await page.getByRole('button', { name: 'Execute' }).dblclick();
  await page.getByText('The bridge does not answer.').waitFor();
  await page.unroute('**/tasks/execute*');
  await page.reload();
  await page.getByRole('button', { name: 'Execute' }).dblclick();
  await page.waitForURL(/\/tasks\/task_/);
  expect((await server.api.get('/tasks')).body.tasks).toHaveLength(1);

  // The same again on purpose is another task.
  await page.goto(`${server.http.url}/new`);
  await field(page, 'What to do').fill('Once.');
  await page.getByRole('button', { name: 'Execute' }).dblclick();
  await page.waitForURL(/\/tasks\/task_/);
  expect((await server.api.get('/tasks')).body.tasks).toHaveLength(2);
});

test('a follow-up continues the task of its agent, with its model', async () => {
  await using server = await startPageServer();
  const { api } = server;
  const { runner } = server.bridge;
  const id = await api.start({ task_description: 'Begin <b>it</b>.', model: 'a/b', agent_id: 'ann' });
  await using opened = await browser.open(`${server.http.url}/new?continue=${id}`);
  const { page, faults } = opened;
  faults.allow(/status of 409/);
  await page.getByRole('link', { name: 'Begin <b>it</b>.' }).waitFor();
  expect(await field(page, 'Model').inputValue()).toBe('a/b');
  expect(await field(page, 'Directory').count()).toBe(0);
  await field(page, 'What to do').fill('Go on.');
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.locator('.previous .field-error').getByText('running').waitFor();

  (await runner.turnOf(id)).complete('begun');
  await expect.poll(async () => (await api.get(`/tasks/${id}?agent_id=*`)).body.status).toBe('completed');
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.waitForURL((url) => url.pathname.startsWith('/tasks/') && !url.pathname.endsWith(id));
  const { body } = await api.get(`${new URL(page.url()).pathname}?agent_id=ann`);
  expect(body).toMatchObject({ description: 'Go on.', continues: id, model: 'a/b' });
});

test('directories, models and agents are suggested, and a folder that is not allowed is refused early', async () => {
  await using server = await startPageServer({ limits: { maxTimeoutMs: 7_200_000 } });
  const { bridge } = server;
  const { runner } = bridge;
  runner.choices = async (directory) => ({
    models: [{ id: 'a/b', name: `B in ${directory}`, provider: 'A' }],
    agents: [{ name: 'plan', description: '<b>Plans</b>' }],
    model: 'a/b',
  });
  const folder = join(bridge.workspaceDir, 'project');
  await mkdir(folder);
  await server.api.start({ directory: folder });
  await using opened = await browser.open(`${server.http.url}/new`);
  const { page, faults } = opened;
  faults.allow(/status of 400/);
  const suggested = (name: string) =>
    page
      .locator(`#field-${name}-list option`)
      .evaluateAll((options) =>
        options.map((option) => [option.getAttribute('value'), option.getAttribute('label')]),
      );
  await expect.poll(() => suggested('model')).toEqual([['a/b', `B in ${bridge.workspaceDir}`]]);
  expect(await suggested('directory')).toEqual([[folder, null]]);
  expect(await suggested('agent')).toEqual([['plan', '<b>Plans</b>']]);
  expect(await field(page, 'Model').getAttribute('placeholder')).toBe('a/b');
  await page.getByText('at most 2h').waitFor();

  await field(page, 'Directory').fill(folder);
  await field(page, 'Directory').blur();
  await expect.poll(() => suggested('model')).toEqual([['a/b', `B in ${folder}`]]);
  await field(page, 'Directory').fill('/etc');
  await field(page, 'Directory').press('Tab');
  await expect.poll(() => errorOf(page, 'directory').textContent()).toContain('outside the allowed folders');
  await expect.poll(() => page.evaluate('document.activeElement.name')).toBe('model');
});

test('of a task that is not there, nothing is continued', async () => {
  await using server = await startPageServer();
  await using opened = await browser.open(`${server.http.url}/new?continue=task_none`);
  opened.faults.allow(/status of 404/);
  await opened.page.getByText('There is no task "task_none".').waitFor();
});
