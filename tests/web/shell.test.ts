import { expect, it } from 'vitest';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';

const browser = useBrowser();

it.each(['light', 'dark'] as const)(
  'the page is there in %s, and its links lead to each other',
  async (scheme) => {
    await using server = await startPageServer();
    await using view = await browser.open(`${server.http.url}/`, { scheme });
    const { page } = view;
    const pages = page.getByRole('navigation', { name: 'Pages' });
    for (const [name, path] of [
      ['New task', '/new'],
      ['System', '/system'],
      ['Tasks', '/'],
    ] as const) {
      await pages.getByRole('link', { name }).click();
      await page.waitForURL(`${server.http.url}${path}`);
      expect(await pages.getByRole('link', { name }).getAttribute('aria-current')).toBe('page');
    }
    await page.goBack();
    await page.waitForURL(`${server.http.url}/system`);
  },
);
