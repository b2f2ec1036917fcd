import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../tests/web/support/chromium.ts';
import { type Served, serve } from '../tests/web/support/served.ts';
import { REPORT_TASK, reportRules } from './web-demo.ts';

const FOLDER = join(import.meta.dirname, 'web');
/** Outside of what tests use, and short: the pictures show it. */
const PROJECT = join(tmpdir(), 'shop');

const FILES = {
  'price.js': "export function price(cents) {\n  return '$' + cents / 100;\n}\n",
  'price.test.js':
    "import { test } from 'node:test';\nimport assert from 'node:assert';\nimport { price } from './price.js';\n\ntest('whole dollars', () => assert.equal(price(500), '$5.00'));\n",
  'package.json': '{ "name": "shop", "type": "module" }\n',
};

/** Hands the tasks of the pictures over; answers with the id of the one that they show. */
async function startTask(bridge: Served): Promise<string> {
  for (const task_description of [
    'Update the dependencies, and run the tests.',
    'Write a changelog for the last ten commits.',
    'Find out why the nightly build is slow.',
  ]) {
    await bridge.api.start({ task_description, agent_id: 'release-agent' });
  }
  return bridge.api.start({ task_description: REPORT_TASK, directory: PROJECT, agent_id: 'shop-agent' });
}

async function open(browser: Browser, url: string, look: object): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1120, height: 700 },
    reducedMotion: 'reduce',
    locale: 'en-GB',
    ...look,
  });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  await page.context().close();
}

/** `npm run docs:web`: the pictures of the page, from the real bridge and OpenCode; only the model is scripted. */
await rm(PROJECT, { recursive: true, force: true });
await mkdir(PROJECT, { recursive: true });
await mkdir(FOLDER, { recursive: true });
for (const [name, content] of Object.entries(FILES)) await writeFile(join(PROJECT, name), content);
const browser = await launchChromium();
try {
  await using bridge = await serve({
    rules: reportRules(),
    config: { permission: { bash: { '*': 'allow', 'git push*': 'ask' } } },
    // The agent's commands run with the Node that runs this.
    env: { ALLOWED_DIRECTORIES: PROJECT, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
  });
  const id = await startTask(bridge);
  const page = await open(browser, `${bridge.url}/tasks/${id}`, {});
  await page.locator('button[aria-disabled=false]', { hasText: 'Once' }).waitFor();
  await picture(page, 'task-light');
  const list = await open(browser, `${bridge.url}/`, {
    colorScheme: 'dark',
    viewport: { width: 1120, height: 420 },
  });
  await list.getByRole('link', { name: REPORT_TASK }).waitFor();
  await list.getByText('Completed').nth(3).waitFor();
  await picture(list, 'list-dark');
  const phone = await open(browser, `${bridge.url}/tasks/${id}?tab=changes`, {
    viewport: { width: 390, height: 780 },
    colorScheme: 'dark',
    isMobile: true,
  });
  await phone.getByText('toFixed').first().waitFor();
  await picture(phone, 'task-phone');
} finally {
  await browser.close();
  await rm(PROJECT, { recursive: true, force: true });
}
