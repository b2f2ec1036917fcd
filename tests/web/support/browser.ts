import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { launchChromium, noChromium } from './chromium.ts';
import { Faults } from './faults.ts';
import { OBSERVE_LONG_TASKS } from './long-tasks.ts';
import { screenshot } from './screenshot.ts';

/** Three files run at a time, and a browser on a busy machine is slow. */
const PATIENCE_MS = 60_000;

export interface Look {
  width?: number;
  height?: number;
  scheme?: 'light' | 'dark';
  reducedMotion?: 'reduce' | 'no-preference';
  /** As a phone: touch, and the pixels of one. */
  phone?: boolean;
  /** Where the certificate is self-made. */
  ignoreHTTPSErrors?: boolean;
  locale?: string;
  timezoneId?: string;
  permissions?: string[];
  /** Runs before the page goes to the address. */
  before?: (page: Page) => Promise<unknown>;
}

/**
 * A page with a profile of its own, and what it did wrong so far. `await using` closes it before the bridge that was
 * started before it; else it would complain that the bridge is gone.
 */
export interface WatchedPage extends AsyncDisposable {
  page: Page;
  context: BrowserContext;
  faults: Faults;
}

/** What a page showed at its end says most about why a test failed. */
async function keepLast(page: Page): Promise<void> {
  const { currentTestName = '' } = expect.getState();
  const name = currentTestName.replaceAll(/[^\w]+/g, '-').slice(0, 80);
  await screenshot(page, `last-${name}`).catch(() => undefined);
}

/** The Chromium of this worker, which ends with it: each page has a profile of its own. */
let shared: Browser | undefined;

async function sharedBrowser(): Promise<Browser> {
  if (!shared?.isConnected()) shared = await launchChromium();
  return shared;
}

/** Chromium for the tests of a file, which are skipped where there is none. */
export class BrowserOfTests {
  #browser: Browser | undefined;
  /** Whether it has arguments of its own, and is closed after the file. */
  #isOwn = false;
  readonly #opened: WatchedPage[] = [];

  get browser(): Browser {
    if (!this.#browser) throw new Error('the browser runs only during tests');
    return this.#browser;
  }

  /** Opens an address in a new profile. The test fails if the page commits a fault. */
  async open(url: string, look: Look = {}): Promise<WatchedPage> {
    const { width = 1280, height = 800, scheme = 'light', reducedMotion = 'reduce', phone = false } = look;
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion,
      hasTouch: phone,
      isMobile: phone,
      deviceScaleFactor: phone ? 2 : 1,
      ignoreHTTPSErrors: look.ignoreHTTPSErrors ?? false,
      locale: look.locale ?? 'en-GB',
      timezoneId: look.timezoneId ?? 'Europe/Zurich',
      permissions: look.permissions ?? [],
      acceptDownloads: true,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const faults = await Faults.of(context, new URL(url).origin);
    await context.addInitScript(OBSERVE_LONG_TASKS);
    const page = await context.newPage();
    const close = async (): Promise<void> => {
      await keepLast(page);
      await context.close();
    };
    const watched = { page, context, faults, [Symbol.asyncDispose]: close };
    this.#opened.push(watched);
    await look.before?.(page);
    await page.goto(url);
    return watched;
  }

  async start(args: readonly string[]): Promise<void> {
    this.#isOwn = args.length > 0;
    this.#browser = this.#isOwn ? await launchChromium(args) : await sharedBrowser();
  }

  /** Ends the pages of a test; answers with their faults. */
  async closePages(): Promise<string[]> {
    const opened = this.#opened.splice(0);
    for (const { context } of opened) await context.close();
    return opened.flatMap(({ faults }) => faults.found);
  }

  async close(): Promise<void> {
    if (this.#isOwn) await this.#browser?.close();
  }
}

/** Call it once at the top of a file of tests, before other hooks. `args` are more arguments of Chromium. */
export function useBrowser({ args = [] as readonly string[] } = {}): BrowserOfTests {
  const browser = new BrowserOfTests();
  beforeAll(async () => {
    if (noChromium === undefined) await browser.start(args);
  });
  beforeEach((context) => context.skip(noChromium !== undefined, noChromium));
  afterEach(async () => expect(await browser.closePages()).toEqual([]));
  afterAll(() => browser.close());
  return browser;
}
