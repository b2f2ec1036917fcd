import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { bash, slowly } from '../support/steps.ts';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';
import { signIn } from './support/person.ts';
import { screenshot } from './support/screenshot.ts';
import { type Served, serve } from './support/served.ts';

const browser = useBrowser();
const newToken = (): string => randomBytes(16).toString('hex');
/** What a browser says of a bridge that is not there. */
const UNREACHABLE = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|WebSocket/;
const LOST = /goes on by itself/;

let token = newToken();
let bridge: Served;

beforeAll(async () => {
  bridge = await serve({ token });
});
afterAll(() => bridge[Symbol.asyncDispose]());

async function open(path: string) {
  const view = await browser.open(`${bridge.url}${path}`);
  view.faults.allow(UNREACHABLE);
  await signIn(view.page, token);
  await view.page.waitForURL(`${bridge.url}${path}`);
  return view;
}

const eventsOf = async (id: string): Promise<number[]> => {
  const { body } = await bridge.api.get(`/tasks/${id}/events?limit=1000`);
  return z
    .object({ events: z.array(z.object({ seq: z.number() })) })
    .parse(body)
    .events.map(({ seq }) => seq);
};

it('a bridge that is killed under an open page: the page says so, resumes, and loses no line', async () => {
  const steps = [
    bash('for n in 1 2 3; do echo "line $n before"; done'),
    bash('sleep 61'),
    { text: 'Never said.' },
  ];
  const id = await bridge.api.start({ task_description: `Count. ${scriptText(steps)}` });
  await using view = await open(`/tasks/${id}`);
  const { page } = view;
  await page.getByText('line 3 before').first().waitFor({ timeout: 60_000 });

  await bridge.end('SIGKILL');
  await page.getByText(LOST).waitFor();
  await screenshot(page, 'connection-lost');
  await bridge.start();
  await page.getByText(LOST).waitFor({ state: 'hidden' });
  // The task continues with a message about the restart, which the model repeats.
  await page
    .getByText(/restarted in the middle of your work/)
    .first()
    .waitFor();
  await page.getByText('Completed').first().waitFor();

  const stored = await eventsOf(id);
  expect(stored).toEqual(stored.map((_, index) => index + 1));
  await page.getByRole('tab', { name: 'Raw events' }).click();
  await page.getByText(`${stored.length} of ${stored.length} events`).waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download as JSON lines' }).click();
  const lines = (await readFile(await (await download).path(), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => z.object({ seq: z.number() }).parse(JSON.parse(line)).seq)).toEqual(stored);
});

it.each(['SIGTERM', 'SIGKILL'] as const)('the list goes on after a restart by %s too', async (signal) => {
  await using view = await open('/');
  const { page } = view;
  await page.getByRole('list', { name: 'Tasks' }).waitFor();
  await bridge.end(signal);
  await page.getByText(LOST).waitFor();
  await bridge.start();
  await page.getByText(LOST).waitFor({ state: 'hidden' });
  await bridge.api.start({ task_description: `After ${signal}. ${scriptText([{ text: 'Said.' }])}` });
  const row = page.getByRole('listitem').filter({ hasText: `After ${signal}.` });
  await row.getByText('Completed').waitFor({ timeout: 60_000 });
});

it('a token that is revoked ends its sessions; the next one leads back to the task', async () => {
  const id = await bridge.api.start({ task_description: `Wait. ${scriptText([slowly('Tick. ', 60_000)])}` });
  await using view = await open(`/tasks/${id}`);
  const { page, faults } = view;
  faults.allow(/401/);
  await page.getByText('Tick. Tick.').first().waitFor();
  await bridge.end('SIGTERM');
  const revoked = token;
  token = newToken();
  await bridge.start({ MCP_AUTH_TOKENS: token });
  await page.waitForURL(/\/sign-in\?return=/);
  await signIn(page, revoked);
  await page.getByText('The bridge does not know this token.').waitFor();
  await signIn(page, token);
  await page.waitForURL(`${bridge.url}/tasks/${id}`);
  await page.getByText('Wait.').first().waitFor();
});

it.each([-1, 1])(
  'a clock of the browser that is off by %i hour changes no age and no timer',
  async (hours) => {
    await using server = await startPageServer();
    const id = await server.api.start({ task_description: 'Look at the clock.' });
    await server.bridge.runner.turnOf(id);
    const clock = `const Exact = Date; globalThis.Date = class extends Exact {
    constructor(...given) { if (given.length === 0) super(Date.now()); else super(...given); }
    static now() { return Exact.now() + ${hours * 3_600_000}; }
  };`;
    await using view = await browser.open(`${server.http.url}/`, {
      before: (page) => page.addInitScript(clock),
    });
    const { page } = view;
    const row = page.getByRole('listitem').filter({ hasText: 'Look at the clock.' });
    await row
      .getByText(/^\d+ s$/)
      .first()
      .waitFor();
    expect(await row.textContent()).not.toMatch(/\d h/);
    await row.getByRole('link').click();
    const header = page.getByRole('article').first();
    await header
      .getByText(/^\d+(\.\d)? m?s$/)
      .first()
      .waitFor();
    expect(await header.textContent()).not.toMatch(/\d h\b|expired/);
  },
);
