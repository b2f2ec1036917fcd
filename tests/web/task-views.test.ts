import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../http/rest.ts';
import type { ScriptedRun } from '../mcp/scripted-runner.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();
const MARKUP = '<img src=x onerror="globalThis.pwned=1">';

/** `observe(false, true)` says of every observed element that it left the window and came back. */
const KEEP_OBSERVED = `
  const Observer = globalThis.IntersectionObserver;
  const observed = [];
  globalThis.IntersectionObserver = class extends Observer {
    constructor(callback, options) {
      super(callback, options);
      this.callback = callback;
    }
    observe(target) {
      observed.push([this.callback, target]);
      super.observe(target);
    }
  };
  globalThis.observe = (...changes) => {
    for (const [callback, target] of observed) callback(changes.map((isIntersecting) => ({ target, isIntersecting })));
  };`;

let server: Awaited<ReturnType<typeof startApi>>;
let id: string;
let run: ScriptedRun;

beforeAll(async () => {
  server = await startApi();
  id = await server.api.start({ timeout_ms: 600_000 });
  run = await server.runner.turnOf(id);
  run.emit(
    {
      kind: 'todo',
      items: [
        { content: `Read ${MARKUP}`, status: 'completed', priority: 'high' },
        { content: 'Write', status: 'in_progress', priority: 'low' },
        { content: 'Dance', status: MARKUP, priority: '' },
      ],
    },
    { kind: 'tool', phase: 'started', call_id: 'c1', tool: 'bash', title: MARKUP },
    { kind: 'tool', phase: 'finished', call_id: 'c1', tool: 'bash', title: MARKUP, ok: false },
    { kind: 'output', text: `safe\u202e ${'w'.repeat(500_000)}`, message_id: 'm', part_id: 'p' },
  );
  run.ask({ id: 'per_1', type: 'permission', title: `Allow ${MARKUP}` });
});
afterAll(() => server[Symbol.asyncDispose]());

const open = (tab: string, look: { width?: number; scheme?: 'light' | 'dark' } = {}) =>
  browser.open(`${server.http.url}/tasks/${id}?tab=${tab}`, look);

describe('steps', () => {
  it('are listed with their state, and follow the agent', async () => {
    await using view = await open('steps');
    const { page } = view;
    await page.getByText('1 of 3 done').waitFor();
    expect(await page.locator('.steps .content').allTextContents()).toEqual([
      `Read ${MARKUP}`,
      'Write',
      'Dance',
    ]);
    run.emit({ kind: 'todo', items: [{ content: 'Write', status: 'completed', priority: 'low' }] });
    await page.getByText('1 of 1 done').waitFor();
    expect(await page.evaluate('globalThis.pwned')).toBeUndefined();
  });
});

describe('the timeline', () => {
  it('has a part for what happens now, and arrow keys go through the parts', async () => {
    await using view = await open('timeline');
    const { page } = view;
    const slider = page.getByRole('slider', { name: 'Part of the timeline' });
    await page.getByRole('row', { name: /^Waiting for people/ }).waitFor();
    await slider.focus();
    await page.keyboard.press('End');
    await page.locator('.picture[aria-valuetext^="Waiting for people: "]').waitFor();
    await page.locator('.selected-span').getByText(`Allow ${MARKUP}`, { exact: true }).waitFor();
    await page.keyboard.press('Home');
    // It waited in the queue for a millisecond or not at all; then the next part is the first.
    await page.locator('.picture[aria-valuenow="1"]').waitFor();
    await page
      .locator('.selected-span')
      .getByText(/^ ?(Queued|Starting|Model): /)
      .waitFor();
    await page.getByRole('cell', { name: MARKUP, exact: true }).waitFor();
    expect(await page.evaluate('globalThis.pwned')).toBeUndefined();
  });
});

describe('raw events', () => {
  it('are found by kind and text, also by a link, and shown as JSON', async () => {
    await using view = await open('raw');
    const { page } = view;
    await page.getByRole('button', { name: /^tool 2/ }).click();
    await page.getByText(/^2 of /).waitFor();
    await page.getByRole('searchbox').fill('FINISHED');
    await page.getByText(/^1 of /).waitFor();
    await page.reload();
    await page.getByText(/^1 of /).waitFor();
    await page.getByRole('button', { name: /finished/ }).click();
    await page.getByText(`"title": "${MARKUP.replaceAll('"', '\\"')}"`).waitFor();
  });

  it('are there when the window passes over them twice between two frames', async () => {
    await using view = await browser.open(`${server.http.url}/tasks/${id}?tab=raw`, {
      before: (page) => page.addInitScript(KEEP_OBSERVED),
    });
    const { page } = view;
    const rows = page.getByRole('tabpanel').locator('[aria-expanded]');
    await rows.first().waitFor();
    await page.evaluate('globalThis.observe(false, true)');
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    expect(await rows.count()).toBeGreaterThan(0);
  });

  it('of half a million characters are shown in part', async () => {
    await using view = await open('raw', { width: 360 });
    const { page } = view;
    await page.getByRole('button', { name: /safe⟨U\+202E⟩/ }).click();
    await page.getByText(/more characters; copy the event/).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  });
});

it.each(['steps', 'timeline', 'raw'])('axe finds nothing serious in %s, and it fits a phone', async (tab) => {
  for (const [scheme, width] of [
    ['light', 1280],
    ['dark', 360],
  ] as const) {
    await using view = await open(tab, { scheme, width });
    const { page } = view;
    await page
      .getByText(/Write|Where the time went/)
      .first()
      .waitFor();
    await screenshot(page, `${tab}-${scheme}-${width}`);
    expect(await seriousBarriers(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  }
});
