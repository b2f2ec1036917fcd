import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { ask, bash, slowly } from '../support/steps.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { screenshot } from './support/screenshot.ts';
import { type Served, serve } from './support/served.ts';

const browser = useBrowser();
let served: Served;

beforeAll(async () => {
  served = await serve({ config: { permission: { bash: { '*': 'allow', 'touch *': 'ask' } } } });
});
afterAll(() => served[Symbol.asyncDispose]());

const start = (steps: Script, more: object = {}): Promise<string> =>
  served.api.start({ task_description: `Do it.\n${scriptText(steps)}`, ...more });
const open = (id: string, look = {}) => browser.open(`${served.url}/tasks/${id}`, look);
const state = (page: Page, name: string) =>
  page.locator('.task-headline .status', { hasText: name }).waitFor({ timeout: 60_000 });
const task = async (id: string) => (await served.api.get(`/tasks/${id}`)).body;
const events = async (id: string) => (await served.api.get(`/tasks/${id}/events?limit=1000`)).body.events;

const enabled = (button: Locator) => expect.poll(() => button.isEnabled()).toBe(true);
const closing = (page: Page, text: string) => page.locator('.request-closed').getByText(text);
const has = (id: string, kind: string) =>
  expect.poll(async () => (await events(id)).map((event: { kind: string }) => event.kind)).toContain(kind);
const works = (id: string) => has(id, 'tool');
const attached = (id: string) => has(id, 'attached');

it('a permission is answered by keys: once, then rejected with a reason', async () => {
  const id = await start([bash('touch one.txt'), bash('touch two.txt'), { text: 'Done.' }]);
  await using view = await open(id);
  const { page } = view;
  await state(page, 'Asks you');
  expect(await page.title()).toBe('Asks you: Do it. · letta-opencode');
  expect(await page.locator('link[rel=icon]').getAttribute('href')).toMatch(/\/assets\/asks-\w+\.svg$/);
  const first = page.getByRole('form', { name: 'Allow bash: touch one.txt' });
  await first.getByRole('timer').waitFor();
  expect(await first.getByRole('timer').textContent()).toMatch(/^[45]:\d\d$/);
  expect(await seriousBarriers(page)).toEqual([]);
  await screenshot(page, 'permission');
  await enabled(first.getByRole('button', { name: 'Once', exact: true }));
  await first.getByRole('button', { name: 'Once', exact: true }).focus();
  await page.keyboard.press('o');
  await closing(page, 'Allowed once by you').waitFor();

  const second = page.getByRole('form', { name: 'Allow bash: touch two.txt' });
  await enabled(second.getByRole('button', { name: 'Reject…' }));
  await second.getByRole('button', { name: 'Reject…' }).focus();
  await page.keyboard.press('r');
  await page.keyboard.type('Use one file.');
  await page.keyboard.press('Enter');
  await state(page, 'Completed');
  const closings = (await events(id)).filter(({ kind }: { kind: string }) => kind === 'request_closed');
  expect(closings).toMatchObject([{ reply: 'once' }, { reply: 'reject' }]);
  expect(JSON.stringify(served.model.requests).includes('Use one file.')).toBe(true);
  expect(await page.title()).toBe('Completed: Do it. · letta-opencode');
});

it('a form of several questions tells which are missing, and sends all at once', async () => {
  const options = (...labels: string[]) => labels.map((label) => ({ label, description: `${label} it is` }));
  const questions = [
    { header: 'Database', question: 'Which one?', options: options('SQLite', 'PostgreSQL') },
    { header: 'Checks', question: 'Which ones?', options: options('Lint', 'Types', 'Tests'), multiple: true },
    { header: 'Branch', question: 'What name?', options: [] },
  ];
  const id = await start([{ tools: [{ name: 'question', args: { questions } }] }, { text: 'Thanks.' }]);
  await using view = await open(id, { width: 360, height: 740, scheme: 'dark', phone: true });
  const { page } = view;
  const form = page.getByRole('form', { name: '3 questions' });
  await form.getByRole('radio', { name: 'PostgreSQL' }).check();
  await form.getByRole('checkbox', { name: 'Tests' }).check();
  await form.getByRole('checkbox', { name: 'Lint' }).check();
  await form.getByRole('button', { name: 'Answer' }).click();
  expect(await form.getByRole('alert').allTextContents()).toEqual(['Write an answer.']);
  expect(await seriousBarriers(page)).toEqual([]);
  await screenshot(page, 'questions-phone-dark', { fullPage: true });
  await form.getByRole('textbox', { name: 'Answer', exact: true }).fill('main');
  await page.keyboard.press('Control+Enter');
  await state(page, 'Completed');
  const closed = (await events(id)).find(({ kind }: { kind: string }) => kind === 'request_closed');
  expect(closed.reply).toBe('PostgreSQL; Lint, Tests; main');
});

it('a request is not answered by a click that was on its way when it appeared', async () => {
  const id = await start([bash('touch sudden.txt'), { text: 'ok' }]);
  await using view = await open(id);
  const { page } = view;
  // In the task of the browser in which the button appears.
  await page.evaluate(`new Promise((resolve) => new MutationObserver((_, observer) => {
    const button = document.querySelector('.request button');
    if (!button) return;
    button.click();
    observer.disconnect();
    resolve();
  }).observe(document.body, { childList: true, subtree: true }))`);
  await enabled(page.getByRole('button', { name: 'Once', exact: true }));
  expect((await task(id)).status).toBe('input_required');
  await served.api.post(`/tasks/${id}/cancel`);
});

it('what the model asks is text, whatever it is', async () => {
  const label = '<img src=x onerror="globalThis.pwned=1"> \u202egpj.exe\u0007';
  const id = await start([ask('</legend><script>globalThis.pwned=1</script>\u2066', label), { text: 'ok' }]);
  await using view = await open(id, { width: 360 });
  const { page } = view;
  const option = page.getByRole('radio', { name: '⟨U+202E⟩gpj.exe␇' });
  await option.check();
  expect(
    await page.evaluate('[globalThis.pwned, document.querySelectorAll("main img, main script").length]'),
  ).toEqual([undefined, 0]);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
  await page.getByRole('button', { name: 'Answer' }).click();
  await state(page, 'Completed');
  const closed = (await events(id)).find(({ kind }: { kind: string }) => kind === 'request_closed');
  expect(closed.reply).toBe(label);
});

it('two clicks are one answer, and a request that was answered elsewhere says by whom', async () => {
  const id = await start([bash('touch once.txt'), ask('Which?', 'A', 'B'), { text: 'ok' }], {
    agent_id: 'ann',
  });
  await using view = await open(id);
  await using other = await open(id);
  const sent: string[] = [];
  view.page.on('request', (request) => {
    if (request.method() === 'POST') sent.push(request.url());
  });
  await view.page.getByRole('button', { name: 'Once', exact: true }).dblclick();
  await closing(view.page, 'Allowed once by you').waitFor();
  await closing(other.page, 'Allowed once by ann').waitFor();
  expect(sent.filter((url) => url.includes('/requests/'))).toHaveLength(1);
  await view.page.getByRole('radio', { name: 'A', exact: true }).check();
  await other.page.getByRole('radio', { name: 'B', exact: true }).check();
  await other.page.getByRole('button', { name: 'Answer' }).click();
  await closing(view.page, 'Answered by ann: B').waitFor();
  await state(view.page, 'Completed');
  await state(other.page, 'Completed');
});

it('a message is queued, pause stops the time, resume goes on, cancel takes a reason; two pages stay in step', async () => {
  const id = await start([bash('sleep 60'), { text: 'ok' }]);
  await using view = await open(id);
  await using other = await open(id);
  const { page } = view;
  await works(id);
  const field = page.getByLabel('Message to the agent');
  await field.fill(`Mind the tests. ${scriptText([bash('sleep 60'), { text: 'ok' }])}`);
  await field.press('Enter');
  await page.getByText('The agent reads it after its present turn.').waitFor();
  expect(await field.inputValue()).toBe('');

  await page.getByRole('button', { name: 'Pause' }).click();
  await state(page, 'Paused');
  await state(other.page, 'Paused');
  const stopped = await page.locator('.task-run-time [role=timer]').textContent();
  await screenshot(page, 'paused');
  // As the clock ticks on.
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 2100))');
  expect(await page.locator('.task-run-time [role=timer]').textContent()).toBe(stopped);
  await other.page.getByRole('button', { name: 'Resume' }).click();
  await state(page, 'Running');

  await page.getByRole('button', { name: 'Cancel…' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Cancel the task?' });
  await dialog.waitFor();
  expect(await seriousBarriers(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Cancel…');
  await page.keyboard.press('Enter');
  await dialog.getByLabel('Reason').fill('No longer needed.');
  await screenshot(page, 'cancel');
  await page.keyboard.press('Enter');
  await state(page, 'Cancelled');
  await state(other.page, 'Cancelled');
  await page.locator('.task-outcome').getByText('No longer needed.').waitFor();
  await expect.poll(() => page.evaluate('document.activeElement.className')).toBe('steering');
});

it('an interrupting message ends the turn', async () => {
  const id = await start([bash('sleep 60'), { text: 'ok' }]);
  await using view = await open(id);
  await works(id);
  const field = view.page.getByLabel('Message to the agent');
  await field.fill(`Stop that. ${scriptText([{ text: 'Stopped.' }])}`);
  await field.press('Control+Enter');
  await state(view.page, 'Completed');
  expect((await task(id)).result.summary).toBe('Stopped.');
});

it('a task that has ended is continued, and deleted after a question', async () => {
  const id = await start([{ text: 'First.' }]);
  await using view = await open(id);
  // The page of the removed task may be about to follow it, or to read it again.
  view.faults.allow(/WebSocket .* 404/);
  view.faults.allow(new RegExp(`status of 404 .*/tasks/${id}\\?`));
  const { page } = view;
  await state(page, 'Completed');
  const field = page.getByLabel('Follow-up');
  await field.fill(`Go on. ${scriptText([{ text: 'Second.' }])}`);
  await field.press('Enter');
  await page.getByRole('heading', { name: 'Go on.' }).waitFor();
  await state(page, 'Completed');
  await page.locator('.task-outcome').getByText('Second.').waitFor();
  await page.getByRole('link', { name: id }).click();
  await page.locator('.task-outcome').getByText('First.').waitFor();
  await page.getByRole('button', { name: 'Delete…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete the task?' });
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(`${served.url}/`);
  expect((await served.api.get(`/tasks/${id}`)).status).toBe(404);
});

it('a refused action says why and what to do', async () => {
  const id = await start([bash('touch wait.txt'), { text: 'ok' }]);
  await using view = await open(id);
  view.faults.allow(/409/);
  const { page } = view;
  await state(page, 'Asks you');
  await page.route('**/tasks/*/pause**', (route) =>
    route.fulfill({
      status: 409,
      contentType: 'application/problem+json',
      body: JSON.stringify({ code: 'INVALID_STATE', detail: 'It is being ended.', next: 'Look again.' }),
    }),
  );
  await page.getByRole('button', { name: 'Pause' }).click();
  const problem = page.locator('.controls').getByRole('alert');
  expect(await problem.textContent()).toContain('It is being ended.');
  expect(await problem.textContent()).toContain('Look again.');
  await served.api.post(`/tasks/${id}/cancel`);
});

it('the clock of the browser is an hour off: times are those of the bridge', async () => {
  const id = await start([bash('touch clock.txt'), { text: 'ok' }]);
  for (const hours of [-1, 1]) {
    await using view = await open(id, {
      before: (page: Page) => page.clock.install({ time: Date.now() + hours * 3_600_000 }),
    });
    const { page } = view;
    await state(page, 'Asks you');
    expect(await page.getByRole('form').getByRole('timer').textContent()).toMatch(/^[45]:\d\d$/);
    expect(await page.locator('.task-run-time [role=timer]').textContent()).toMatch(/^[0-3]:\d\d$/);
    expect(await page.locator('.task-facts time').textContent()).toMatch(/^\d+ [sm]$/);
  }
  await served.api.post(`/tasks/${id}/cancel`);
});

it('the bridge is killed and started again under the page: it says so, goes on, and loses no line', async () => {
  const id = await start([slowly('word ', 60_000)]);
  await attached(id);
  await using view = await open(id);
  view.faults.allow(/ERR_CONNECTION|WebSocket|ERR_/);
  const { page } = view;
  await state(page, 'Running');
  await served.end('SIGKILL');
  const banner = page.locator('.banner');
  await banner.filter({ hasText: 'The bridge does not answer' }).waitFor();
  await screenshot(page, 'bridge-away');
  // What is sent meanwhile fails where it was typed.
  await page.getByLabel('Message to the agent').fill('Hello?');
  await page.keyboard.press('Enter');
  await page.getByText('The message may have arrived').waitFor();
  expect(await page.getByLabel('Message to the agent').inputValue()).toBe('Hello?');
  await served.start();
  await banner.filter({ hasText: 'Connected again' }).waitFor();
  // The agent is told that it was interrupted, and says so.
  await page.locator('.task-headline .status', { hasText: 'Completed' }).waitFor({ timeout: 60_000 });
  await page.getByRole('tab', { name: 'Raw events' }).click();
  const { last_seq } = await task(id);
  await page.getByRole('tabpanel', { name: 'Raw events' }).getByText('completed').first().waitFor();
  expect((await events(id)).length).toBe(last_seq);
});

it('one notification for two pages, when the task asks and nobody looks', async () => {
  const id = await start([{ ...slowly('word ', 1_500), ...bash('touch told.txt') }, { text: 'ok' }]);
  const record = `globalThis.told = [];
    document.hasFocus = () => false;
    globalThis.Notification = class { static permission = 'granted'; static requestPermission = async () => 'granted';
      constructor(title, { body, tag }) { told.push([title, body]); } close() {} };`;
  await using view = await open(id, { before: (page: Page) => page.context().addInitScript(record) });
  const { page, context } = view;
  await page.getByRole('button', { name: 'Notify me' }).click();
  const second = await context.newPage();
  await second.goto(page.url());
  await second.getByRole('button', { name: 'Notifies you' }).waitFor();
  const told = async (): Promise<unknown[]> => [
    ...((await page.evaluate('told')) as unknown[]),
    ...((await second.evaluate('told')) as unknown[]),
  ];
  await expect.poll(told).toEqual([['Asks you: Do it.', 'Allow bash: touch told.txt']]);
  // The page that leads goes; the other one tells the end.
  await page.close();
  await second.getByRole('button', { name: 'Once', exact: true }).click();
  await expect.poll(() => second.evaluate('told.at(-1)')).toEqual(['Completed: Do it.', 'ok']);
});
