import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';

const browser = useBrowser();
const LIMIT_BYTES = 90_000;

it.each(['/', '/new', '/system', '/sign-in', '/tasks/'])(
  'the first load of %s transfers less than 90 kB',
  async (path) => {
    await using server = await startPageServer();
    const id = await server.api.start();
    let bytes = 0;
    const urls: string[] = [];
    const count = async (page: Page): Promise<void> => {
      const devtools = await page.context().newCDPSession(page);
      devtools.on('Network.responseReceived', ({ response }) => urls.push(new URL(response.url).pathname));
      devtools.on('Network.loadingFinished', ({ encodedDataLength }) => {
        bytes += encodedDataLength;
      });
      await devtools.send('Network.enable');
    };
    const url = `${server.http.url}${path}${path === '/tasks/' ? id : ''}`;
    await using view = await browser.open(url, { before: count });
    await view.page.getByRole('navigation', { name: 'Pages' }).waitFor();
    await view.page.waitForLoadState('load');
    expect(urls.filter((url) => url.startsWith('/assets/')).length).toBeGreaterThanOrEqual(2);
    expect(bytes, urls.join(' ')).toBeLessThan(LIMIT_BYTES);
  },
);
