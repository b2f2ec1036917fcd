import { expect, test } from 'vitest';
import { limitRows } from '../../src/web/system/limit-rows.ts';
import { reopen, startPageServer, startSessions } from './browser.ts';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { screenshot } from './support/screenshot.ts';

const browser = useBrowser();

test('the system page shows what works and what does not, and that the bridge is silent', async () => {
  await using kept = await startSessions();
  await using server = await startPageServer({ kept: kept.store });
  await server.api.start();
  const webhook = {
    name: 'webhook',
    status: 'degraded' as const,
    detail: `3 failing, last error: <b>${'x'.repeat(500)}</b>`,
    lag: { events: 12, tasks: 2, oldest_ms: 300_000 },
  };
  server.bridge.runner.dependencies = [{ name: 'opencode', status: 'ok', detail: 'version 1.2.3' }, webhook];
  await using opened = await browser.open(`${server.http.url}/system`, { width: 360 });
  const { page, faults } = opened;
  faults.allow(/ERR_CONNECTION_(REFUSED|RESET)/);
  await page.getByText('webhook is degraded').waitFor();
  await expect.poll(() => page.title()).toBe('Degraded · System · letta-opencode');
  await page.getByText('<b>xxx').waitFor();
  await page.getByText('12 events of 2 tasks, the oldest 5 m old').waitFor();
  expect(await page.getByRole('link', { name: 'Running' }).getAttribute('href')).toBe('/?status=running');
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0);
  expect(await seriousBarriers(page)).toEqual([]);
  await screenshot(page, 'system-phone');
  await page.setViewportSize({ width: 1280, height: 800 });
  await screenshot(page, 'system');

  await server.http.close();
  await page.getByText('The bridge does not answer', { exact: true }).waitFor();
  expect(await seriousBarriers(page)).toEqual([]);
  server.bridge.runner.dependencies = [{ name: 'opencode', status: 'ok', detail: 'version 1.2.3' }];
  await using _again = await reopen(server, kept.store);
  await page.getByText('Everything works').waitFor();
  await page.close();
});

test('limits are rows, those too that the page does not know', () => {
  const limits = {
    timeout_ms: { default: 3_600_000, max: 7_200_000 },
    max_cost_usd: {},
    new_limit: 12_345,
    odd: 'x',
  };
  expect(limitRows(limits)).toEqual([
    { name: 'Time of a task', value: '1 h, at most 2 h' },
    { name: 'Cost of a task', value: 'none' },
    { name: 'new_limit', value: '12 345' },
  ]);
});
