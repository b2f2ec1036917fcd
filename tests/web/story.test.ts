import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rule } from '../../src/cli/demo/scripted-model/script.ts';
import { useBrowser } from './support/browser.ts';
import { signIn } from './support/person.ts';
import { screenshot } from './support/screenshot.ts';
import { type Served, serve } from './support/served.ts';

const browser = useBrowser();
const token = randomBytes(16).toString('hex');
const TASK = 'Make the report shorter, and check it.';
const OTHER = 'Count to a million.';
const FOLLOW_UP = 'Now add a title.';

const REPORT = 'The first line.\nThe second line.\nThe last line.\n';
const SHORTER = 'The first line.\nThe last line, at last.\n';
const CHECK = `printf '\\033[32mshort enough\\033[0m: '; wc -l < report.txt; for n in 1 2 3 4 5 6; do echo "check $n"; sleep 0.3; done`;

const todo = (...statuses: string[]) => ({
  name: 'todowrite',
  args: {
    todos: ['Read the report', 'Shorten it', 'Check it'].map((content, index) => ({
      content,
      status: statuses[index],
      priority: 'medium',
    })),
  },
});

const RULES: Rule[] = [
  {
    when: TASK,
    steps: [
      {
        text: 'I read the report first, then I shorten it and check its length. '.repeat(4),
        chunks: 60,
        delayMs: 40,
        tools: [todo('in_progress', 'pending', 'pending')],
      },
      { tools: [{ name: 'read', args: { filePath: 'report.txt' } }] },
      {
        tools: [
          { name: 'write', args: { filePath: 'report.txt', content: SHORTER } },
          todo('completed', 'completed', 'in_progress'),
        ],
      },
      { tools: [{ name: 'bash', args: { command: CHECK, description: 'Check the length' } }] },
      {
        text: 'The report has two lines now. '.repeat(40),
        chunks: 200,
        delayMs: 100,
        usage: { input: 1200, output: 300 },
      },
    ],
  },
  { when: 'Mind the title', steps: [{ text: 'I mind the title.' }] },
  { when: OTHER, steps: [{ text: 'One, two, three. '.repeat(100), chunks: 900, delayMs: 100 }] },
  {
    when: FOLLOW_UP,
    steps: [
      { tools: [{ name: 'write', args: { filePath: 'report.txt', content: `Report\n\n${SHORTER}` } }] },
      { text: 'The report has a title.' },
    ],
  },
];

let bridge: Served;
let directory: string;

beforeAll(async () => {
  bridge = await serve({ token, rules: RULES, config: { permission: { bash: 'ask' } } });
  directory = join(bridge.root, 'reports');
  await mkdir(directory);
  await writeFile(join(directory, 'report.txt'), REPORT);
});
afterAll(() => bridge[Symbol.asyncDispose]());

it('a person signs in, starts a task, follows, steers and reviews it', async () => {
  await using view = await browser.open(`${bridge.url}/`);
  const { page, faults } = view;
  // The model that does not exist.
  faults.allow(/400 .*\/tasks\/execute/);
  const output = page.getByRole('tabpanel', { name: 'Output' });

  await screenshot(page, 'story-1-sign-in');
  await signIn(page, token);
  await page.getByRole('link', { name: 'Hand over the first task' }).click();

  await page.getByLabel('What to do').fill(TASK);
  await page.getByLabel('Directory').fill(directory);
  await page.getByLabel('Model').fill('not-a-model');
  await page.getByRole('button', { name: 'Execute' }).click();
  await page
    .getByText(/provider\/model/i)
    .first()
    .waitFor();
  await page.reload();
  expect(await page.getByLabel('What to do').inputValue()).toBe(TASK);
  await page.getByLabel('Model').fill('');
  await screenshot(page, 'story-2-new-task');
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.waitForURL(/\/tasks\/task_/);
  const taskUrl = page.url();

  await output
    .getByText(/I read the report first/)
    .first()
    .waitFor();
  await screenshot(page, 'story-3-live-text');

  const requests = page.getByRole('region', { name: 'Requests' });
  await requests.getByText(/wc -l/).first().waitFor();
  expect(await page.title()).toMatch(/^Asks you/);
  await screenshot(page, 'story-4-permission');
  await requests.getByRole('button', { name: /^Once/ }).click();

  await output.getByText('check 2').first().waitFor();
  await screenshot(page, 'story-5-command-output');
  await output
    .getByText(/The report has two lines now/)
    .first()
    .waitFor();

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Paused', { exact: true }).first().waitFor();
  await screenshot(page, 'story-6-paused');
  await page.getByLabel('Message to the agent').fill('Mind the title');
  await page.getByLabel('Message to the agent').press('Enter');
  await page.getByRole('button', { name: 'Resume' }).click();
  await output.getByText('I mind the title.').first().waitFor();
  await page.getByText('Completed', { exact: true }).first().waitFor();
  await screenshot(page, 'story-7-completed');

  await page.getByRole('tab', { name: 'Steps' }).click();
  await page.getByRole('tabpanel').getByText('Shorten it').waitFor();
  await page.getByRole('tab', { name: 'Timeline' }).click();
  await screenshot(page, 'story-8-timeline');
  await page.getByRole('tab', { name: 'Changes' }).click();
  const changes = page.getByRole('tabpanel', { name: 'Changes' });
  await changes.getByText('The last line, at last.').waitFor();
  await screenshot(page, 'story-9-changes');
  await changes.getByRole('button', { name: 'Split' }).click();
  await screenshot(page, 'story-10-split');
  const download = page.waitForEvent('download');
  await changes.getByRole('button', { name: 'Download', exact: true }).click();
  expect((await download).suggestedFilename()).toBe('report.txt');
  expect(await readFile(await (await download).path(), 'utf8')).toBe(SHORTER);

  await page.getByLabel('Follow-up').fill(FOLLOW_UP);
  await page.getByLabel('Follow-up').press('Enter');
  await page.waitForURL(
    (url) => url.href.includes('/tasks/') && !taskUrl.startsWith(url.href.split('?')[0] ?? ''),
  );
  await page.getByText('The report has a title.').first().waitFor();
  await page.getByText('Completed', { exact: true }).first().waitFor();
  expect(await readFile(join(directory, 'report.txt'), 'utf8')).toBe(`Report\n\n${SHORTER}`);
  await page.goBack();
  await page.waitForURL((url) => taskUrl.startsWith(url.href.split('?')[0] ?? '-'));
});

it('another task is cancelled with a reason, and two tabs show the same', async () => {
  await using view = await browser.open(`${bridge.url}/`);
  const { page, context } = view;
  await signIn(page, token);
  await page.getByRole('link', { name: 'New task' }).first().click();
  await page.getByLabel('What to do').fill(OTHER);
  await page.getByLabel('What to do').press('Control+Enter');
  await page.waitForURL(/\/tasks\/task_/);
  const tab = await context.newPage();
  await tab.goto(page.url());
  await tab
    .getByText(/One, two, three/)
    .first()
    .waitFor();

  await page.getByRole('button', { name: 'Cancel…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Cancel the task?' });
  await dialog.getByLabel(/Reason/).fill('A thousand is enough.');
  await screenshot(page, 'story-11-cancel');
  await dialog.getByRole('button', { name: 'Cancel the task' }).click();
  for (const each of [page, tab]) {
    await each.getByText('Cancelled', { exact: true }).first().waitFor();
    await each
      .getByText(/A thousand is enough/)
      .first()
      .waitFor();
  }
  await page.getByRole('link', { name: 'Tasks', exact: true }).click();
  const row = page.getByRole('listitem').filter({ hasText: OTHER });
  await row.getByText('Cancelled').waitFor();
  await screenshot(page, 'story-12-list');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/sign-in/);
  await tab.reload();
  await tab.waitForURL(/\/sign-in/);
});
