import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPageServer } from './browser.ts';
import { seriousBarriersInBothSchemes } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { hasFocus, tabTo } from './support/person.ts';
import { TABS } from './support/tabs.ts';

const browser = useBrowser();
const PATIENT = { timeout: 60_000 };

let server: Awaited<ReturnType<typeof startPageServer>>;
let asking: string;
let completed: string;

beforeAll(async () => {
  server = await startPageServer();
  asking = await workingTask('Paint the fence.');
  const run = await server.bridge.runner.turnOf(asking);
  run.ask({ id: 'per_1', type: 'permission', title: 'rm -r old', permission: 'bash', patterns: ['rm *'] });
  const options = ['green', 'blue'].map((label) => ({ label, description: `Paint it ${label}` }));
  run.ask({
    id: 'que_1',
    type: 'question',
    title: 'Which colour?',
    questions: [{ header: 'Colour', question: 'Which colour?', options }],
  });
  completed = await workingTask('Mow the lawn.');
  (await server.bridge.runner.turnOf(completed)).complete('The lawn is mown.');
  await server.bridge.until(completed, ({ status }) => status === 'completed');
});
afterAll(() => server[Symbol.asyncDispose]());

/** A task with something of everything in it. */
async function workingTask(task_description: string): Promise<string> {
  const id = await server.api.start({ task_description });
  const run = await server.bridge.runner.turnOf(id);
  const directory = server.bridge.log.get(id)?.directory ?? '';
  await writeFile(join(directory, 'plan.md'), '# Plan\n\n- first\n- then\n');
  await writeFile(join(directory, 'tool.ts'), "export const colour: string = 'green'; // or blue\n");
  run.tool('bash', 'ls -l', '\u001b[31mred\u001b[0m \u001b[1;32mgreen\u001b[0m \u001b[7minverse\u001b[0m');
  run.emit(
    { kind: 'output', text: 'I have looked around.', message_id: 'm', part_id: 'p1' },
    { kind: 'file_changed', path: 'plan.md', tool: 'write' },
    {
      kind: 'todo',
      items: [
        { content: 'Look around', status: 'completed', priority: 'high' },
        { content: 'Do it', status: 'in_progress', priority: 'low' },
      ],
    },
    { kind: 'warning', code: 'ENGINE_UNREACHABLE', message: 'OpenCode did not answer.' },
  );
  return id;
}

describe('axe finds nothing serious, in light and in dark,', () => {
  it.each([
    ['the list', '/', 'Search descriptions'],
    ['the list without a match', '/?q=nothing', 'Search descriptions'],
    ['a new task', '/new', 'What to do'],
  ])('in %s', async (_, path, label) => {
    await using view = await browser.open(`${server.http.url}${path}`);
    await view.page.getByLabel(label).waitFor();
    expect(await seriousBarriersInBothSchemes(view.page)).toEqual([]);
  });

  it('in the system page', async () => {
    await using view = await browser.open(`${server.http.url}/system`);
    await view.page.getByRole('heading', { name: 'Dependencies' }).waitFor();
    expect(await seriousBarriersInBothSchemes(view.page)).toEqual([]);
  });

  it('in the sign-in, also after a wrong token', async () => {
    await using guarded = await startPageServer({ tokens: [{ token: randomBytes(16).toString('hex') }] });
    await using view = await browser.open(`${guarded.http.url}/`);
    const { page, faults } = view;
    faults.allow(/401/);
    await page.getByLabel('Token').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('The bridge does not know this token.').waitFor();
    expect(await seriousBarriersInBothSchemes(page)).toEqual([]);
  });

  it('in the empty list, and in a task that is not there', async () => {
    await using empty = await startPageServer();
    await using view = await browser.open(`${empty.http.url}/`);
    const { page, faults } = view;
    await page.getByRole('link', { name: 'Hand over the first task' }).waitFor();
    expect(await seriousBarriersInBothSchemes(page)).toEqual([]);
    faults.allow(/404/);
    await page.goto(`${empty.http.url}/tasks/task_absent`);
    await page.getByRole('alert').waitFor();
    expect(await seriousBarriersInBothSchemes(page)).toEqual([]);
  });

  it.each(TABS)('in the view $name', async ({ id, name }) => {
    for (const task of [asking, completed]) {
      await using view = await browser.open(`${server.http.url}/tasks/${task}?tab=${id}`);
      const { page } = view;
      await page.getByRole('tab', { name, selected: true }).waitFor();
      await expect.poll(() => page.getByText('Loading…').count(), PATIENT).toBe(0);
      expect(await seriousBarriersInBothSchemes(page)).toEqual([]);
    }
  });
});

describe('by keyboard alone', () => {
  it('from the list to a task, through its views, and to its cancellation with a reason', async () => {
    const id = await server.api.start({ task_description: 'Dig a hole.' });
    await server.bridge.runner.turnOf(id);
    await using view = await browser.open(`${server.http.url}/`);
    const { page } = view;
    const { keyboard } = page;
    const row = page.getByRole('link', { name: 'Dig a hole.' });
    await row.waitFor();
    for (let step = 0; step < 5; step += 1) {
      await keyboard.press('ArrowDown');
      if (await hasFocus(row)) break;
    }
    await keyboard.press('Enter');
    await page.waitForURL(`${server.http.url}/tasks/${id}`);

    await tabTo(page, page.getByRole('tab', { name: 'Output' }));
    for (const { name } of TABS.slice(1)) {
      await keyboard.press('ArrowRight');
      await page.getByRole('tab', { name, selected: true }).waitFor();
    }
    await tabTo(page, page.getByRole('button', { name: /^Cancel/ }));
    await keyboard.press('Enter');
    await tabTo(page, page.getByLabel(/reason/i));
    await keyboard.type('The ground is frozen.');
    await tabTo(page, page.getByRole('button', { name: /^Cancel (the )?task/ }));
    await keyboard.press('Enter');
    const task = await server.bridge.until(id, ({ status }) => status === 'cancelled');
    expect(JSON.stringify(task)).toContain('The ground is frozen.');
    await page.getByText('Cancelled').first().waitFor();
    await keyboard.press('Alt+ArrowLeft');
    await page.waitForURL((url) => url.pathname !== '/new');
  });

  it('a permission is answered', async () => {
    const id = await server.api.start({ task_description: 'Fell the tree.' });
    const run = await server.bridge.runner.turnOf(id);
    run.ask({ id: 'per_2', type: 'permission', title: 'axe', permission: 'bash', patterns: ['axe'] });
    await using view = await browser.open(`${server.http.url}/tasks/${id}`);
    const { page } = view;
    const once = page.getByRole('button', { name: /once/i });
    await tabTo(page, once);
    // A card takes no answer in the moment in which it appears.
    await expect.poll(() => once.getAttribute('aria-disabled')).toBe('false');
    await page.keyboard.press('Enter');
    await expect.poll(() => run.answers).toMatchObject([{ requestId: 'per_2' }]);
  });
});
