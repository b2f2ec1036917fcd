import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTask } from './output-page.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { heapBytes, worstTask } from './support/long-tasks.ts';

const ESC = '\u001b';
const HOSTILE = `<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script> \u202eevil\u0007\u0000 ${ESC}]0;t\u0007${ESC}[8mconcealed${ESC}[0m ${ESC}[31mred${ESC}[0m`;

const browser = useBrowser();
const rows = (page: Page) => page.getByRole('log').getByRole('article');
const log = (page: Page) => page.getByRole('group', { name: 'Output of the task' });
const search = (page: Page) => page.getByRole('searchbox', { name: 'Search in the output' });

/** How far the rows are from their end, in pixels. */
async function distanceToEnd(page: Page): Promise<number> {
  const list = 'document.querySelector(".virtual-list")';
  return z
    .number()
    .parse(await page.evaluate(`${list}.scrollHeight - ${list}.scrollTop - ${list}.clientHeight`));
}

describe('the output of a task', () => {
  it('shows what happens, and has no barriers', async () => {
    await using task = await startTask();
    task.say('I look at it.\n```js\nsum(1, 2)\n```');
    task.ran('c1', 'bash', 'npm test', {
      ok: false,
      exit_code: 2,
      output: `1\n2\n3\n${ESC}[31m4${ESC}[0m\n`,
    });
    task.call('started', 't1', 'task', 'Find callers');
    task.ran('c2', 'grep', 'sum', { output: 'a.js', parent_call_id: 't1' });
    task.call('finished', 't1', 'task', 'Find callers', { ok: true, output: 'None.' });
    task.run.emit({ kind: 'warning', code: 'ENGINE_UNREACHABLE', message: 'No answer.' });
    task.run.ask({ id: 'per_1', type: 'permission', title: 'Allow bash: rm' });
    await using opened = await browser.open(task.url);
    const { page } = opened;
    await rows(page).filter({ hasText: 'Allow bash: rm' }).waitFor();
    const test = rows(page).filter({ hasText: 'npm test' });
    await expect(test.textContent()).resolves.toMatch(/exit 2 · 12 ms/);
    // Folded: the end of what it printed, in colour.
    await expect(test.locator('.log-body').textContent()).resolves.toBe('2\n3\n4');
    expect(await test.locator('.color-1').textContent()).toBe('4');
    await test.getByRole('button', { name: 'npm test' }).click();
    await expect.poll(() => test.locator('.log-body').textContent()).toBe('1\n2\n3\n4');
    expect(await rows(page).filter({ hasText: 'grep' }).getAttribute('class')).toContain('log-nested');
    expect(await page.locator('.log-fence').textContent()).toContain('sum(1, 2)');
    expect(await page.getByRole('log').getAttribute('aria-live')).toBe('off');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await seriousBarriers(page)).toEqual([]);
    }
  });

  it('shows live text until the event has it', async () => {
    await using task = await startTask();
    task.call('started', 'c1', 'bash', 'npm run build');
    await using opened = await browser.open(task.url);
    const { page } = opened;
    await rows(page).filter({ hasText: 'npm run build' }).waitFor();
    const { live } = task.run;
    const output = { kind: 'tool_output', id: 'c1', child: false } as const;
    const text = { kind: 'text', id: 'prt_9', child: false } as const;
    live.begin(output);
    live.show(output, `10%\r${ESC}[32m50%${ESC}[0m`, false);
    live.begin(text);
    live.append(text, 'The build ');
    await page.getByText('The build').waitFor();
    await rows(page).filter({ hasText: '50%' }).waitFor();
    live.append(text, 'runs.');
    await page.getByText('The build runs.').waitFor();
    task.run.emit({ kind: 'output', text: 'The build runs.', message_id: 'm', part_id: 'prt_9' });
    await rows(page).filter({ hasText: 'The build runs.' }).waitFor();
    expect(await rows(page).getByText('The build runs.').count()).toBe(1);
    await expect.poll(() => page.locator('.log-live').count()).toBe(0);
  });

  it('follows the end until somebody scrolls up', async () => {
    await using task = await startTask();
    task.emitMany(400);
    await using opened = await browser.open(task.url);
    const { page } = opened;
    await rows(page).filter({ hasText: 'step-100' }).waitFor();
    await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
    task.say('And more.');
    await rows(page).filter({ hasText: 'And more.' }).waitFor();
    await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);

    await log(page).hover();
    await page.mouse.wheel(0, -1_500);
    const jump = page.getByRole('button', { name: /Jump to the end/ });
    await jump.waitFor();
    const [before] = await visibleRows(page);
    for (let index = 0; index < 40; index += 1) task.say(`Unseen ${index}`);
    await page.getByRole('button', { name: 'Jump to the end · 40 new rows' }).waitFor();
    expect((await visibleRows(page))[0]).toEqual(before);
    await jump.click();
    await rows(page).filter({ hasText: 'Unseen 39' }).waitFor();
    await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
    expect(await jump.count()).toBe(0);
  });

  it('is filtered by severity and kind, and the address says so', async () => {
    await using task = await startTask();
    task.say('Words.');
    task.ran('c1', 'bash', 'false', { ok: false, exit_code: 1 });
    task.run.emit({ kind: 'warning', code: 'W1', message: 'Careful.' });
    await using opened = await browser.open(task.url);
    const { page } = opened;
    await rows(page).filter({ hasText: 'W1' }).waitFor();
    await page.getByRole('combobox', { name: 'Severity' }).selectOption('warning');
    await expect.poll(() => rows(page).count()).toBe(2);
    await page.getByRole('button', { name: 'Tools', pressed: true }).click();
    await expect.poll(() => rows(page).count()).toBe(1);
    expect(new URL(page.url()).searchParams.get('severity')).toBe('warning');
    task.say('Not shown.');
    task.run.emit({ kind: 'warning', code: 'W2', message: 'Again.' });
    await rows(page).filter({ hasText: 'W2' }).waitFor();
    await page.reload();
    await expect.poll(() => rows(page).count()).toBe(2);
    await page.getByRole('combobox', { name: 'Severity' }).selectOption('error');
    await page.getByText('No row passes the filter.').waitFor();
  });

  it('is searched, also where it is folded or far away', async () => {
    await using task = await startTask();
    task.ran('c1', 'read', 'notes.txt', { output: 'a NEEDLE in a file' });
    task.emitMany(2_000);
    task.say(`${'x'.repeat(100_000)} needle`);
    await using opened = await browser.open(task.url);
    const { page } = opened;
    await rows(page).filter({ hasText: 'Show more' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('needle');
    await page.getByText('2 hits').waitFor();
    const current = page.locator('mark.current');
    await page.keyboard.press('Enter');
    await page.getByText('1 of 2').or(page.getByText('2 of 2')).waitFor();
    for (const expected of ['needle', 'NEEDLE']) {
      if ((await current.allInnerTexts())[0] !== expected) await page.keyboard.press('Enter');
      await expect.poll(() => current.allInnerTexts()).toEqual([expected]);
      await expect.poll(() => isInLog(page, 'mark.current')).toBe(true);
    }
    task.say('Another needle.');
    await page.getByText('of 3').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('mark').count()).toBe(0);
    expect(await search(page).inputValue()).toBe('');
    expect(await log(page).evaluate('document.activeElement.className')).toBe('virtual-list');
  });

  it('is moved through by keys', async () => {
    await using task = await startTask();
    task.emitMany(800);
    task.ran('last', 'read', 'a.txt', { output: 'inside' });
    await using opened = await browser.open(task.url);
    const { page } = opened;
    const last = rows(page).filter({ hasText: 'read a.txt' });
    await last.waitFor();
    await log(page).focus();
    await page.keyboard.press('ArrowUp');
    await expect.poll(() => last.getAttribute('class')).toContain('log-selected');
    expect(await log(page).getAttribute('aria-activedescendant')).toBe(await last.getAttribute('id'));
    await page.keyboard.press('Enter');
    await last.getByText('inside').waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => last.getByText('inside').count()).toBe(0);
    await page.keyboard.press('Home');
    await rows(page).filter({ hasText: 'Task of' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => page.locator('.log-selected').textContent()).toContain('Started');
    await page.keyboard.press('PageDown');
    await page.getByRole('button', { name: /Jump to the end/ }).waitFor();
    await page.keyboard.press('End');
    await last.waitFor();
    await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
  });

  it('is downloaded whole, and copied', async () => {
    await using task = await startTask();
    task.emitMany(2_400);
    task.say('The end.');
    await using opened = await browser.open(task.url, { permissions: ['clipboard-read', 'clipboard-write'] });
    const { page } = opened;
    await rows(page).filter({ hasText: 'The end.' }).waitFor();
    const download = async (name: string): Promise<string> => {
      const started = page.waitForEvent('download');
      await page.getByRole('button', { name, exact: true }).click();
      const file = await started;
      expect(file.suggestedFilename()).toBe(`${task.taskId}${name}`);
      return readFile(await file.path(), 'utf8');
    };
    const lines = (await download('.jsonl')).trimEnd().split('\n');
    const seqs = lines.map((line) => z.object({ seq: z.number() }).parse(JSON.parse(line)).seq);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => index + 1));
    const text = await download('.txt');
    expect(text).toContain('$ bash npm run step-600\nline 0 of the output\n');
    expect(text.endsWith('The end.\n')).toBe(true);
    expect(text).not.toContain(ESC);
    await page.getByRole('button', { name: 'Problems' }).waitFor();
    await page.locator('.exports').getByRole('button', { name: 'Copy' }).click();
    await page.getByText('rows copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(text);
  });
});

describe('hostile output', () => {
  it('is only text', async () => {
    await using task = await startTask(HOSTILE);
    task.say(HOSTILE);
    task.say('w'.repeat(5_000_000));
    task.say(`${ESC}[31ma`.repeat(200_000));
    task.ran('c1', 'bash', HOSTILE.slice(0, 200), { ok: false, output: `${HOSTILE} ${'w'.repeat(1_000)}` });
    task.run.emit({ kind: 'warning', code: 'X'.repeat(500), message: HOSTILE });
    await using opened = await browser.open(task.url);
    const { page } = opened;
    await rows(page)
      .filter({ hasText: 'X'.repeat(500) })
      .waitFor();
    await log(page).focus();
    await page.keyboard.press('Home');
    await rows(page).filter({ hasText: '\u27e8U+202E\u27e9evil\u2407\u2400 concealed red' }).nth(1).waitFor();
    expect(await page.evaluate('globalThis.pwned ?? null')).toBeNull();
    expect(await page.evaluate('document.querySelector(".output").textContent')).not.toMatch(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
      /[\u0000-\u0008\u000b-\u001f\u202a-\u202e]/,
    );
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await expect.poll(() => page.evaluate(OVERFLOW)).toBeLessThanOrEqual(0);
    }
    const long = page.getByRole('button', { name: /Show more · 4,99\d,000 characters/ });
    await long.click();
    await page.getByRole('button', { name: /Show more · 4,98\d,000 characters/ }).waitFor();
  });
});

const OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/** The rows in view, by their ids and positions. */
async function visibleRows(page: Page): Promise<{ id: string; top: number }[]> {
  return z.array(z.object({ id: z.string(), top: z.number() })).parse(
    await page.evaluate(`(() => {
      const box = document.querySelector('.virtual-list').getBoundingClientRect();
      return [...document.querySelectorAll('[data-id]')]
        .map((row) => ({ id: row.id, top: Math.round(row.getBoundingClientRect().top - box.top), bottom: row.getBoundingClientRect().bottom }))
        .filter(({ bottom }) => bottom > box.top + 1);
    })()`),
  );
}

/** Whether an element is inside of the box of the rows. */
async function isInLog(page: Page, selector: string): Promise<boolean> {
  return z.boolean().parse(
    await page.evaluate(`(() => {
      const box = document.querySelector('.virtual-list').getBoundingClientRect();
      const found = document.querySelector('${selector}')?.getBoundingClientRect();
      return found !== undefined && found.top >= box.top && found.bottom <= box.bottom;
    })()`),
  );
}

describe('a task with 20,000 events', () => {
  // By the processor time of its tasks: how long they take by the clock depends on what else the machine does.
  it('stays smooth while 200 events come in a second', async () => {
    await using task = await startTask();
    task.emitMany(20_000);
    await using opened = await browser.open(task.origin);
    const { page } = opened;
    const before = await heapBytes(page);
    const worst = await worstTask(page, async () => {
      await page.goto(task.url);
      await rows(page).filter({ hasText: 'step-5000' }).waitFor();
      await log(page).hover();
      for (let step = 0; step < 30; step += 1) {
        task.emitMany(20);
        await page.mouse.wheel(0, step < 10 ? 500 : -900);
        await sleep(100);
      }
      await page.getByRole('button', { name: /Jump to the end · \d+ new rows/ }).waitFor();
      await search(page).fill('line 7 of the output');
      await page.getByText('5,150 hits').waitFor();
    });
    expect(worst).toBeLessThan(100);
    expect(await page.locator('.log-row').count()).toBeLessThan(300);
    expect((await heapBytes(page)) - before).toBeLessThan(60_000_000);
  });
});
