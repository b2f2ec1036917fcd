import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Without the parts that make windows, Chromium starts and draws with less processor time; to a page it is the same. */
const OF_DEBIAN = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const EXECUTABLE = process.env.BRIDGE_TESTS_CHROMIUM ?? OF_DEBIAN.find(existsSync) ?? '/usr/bin/chromium';

/** The reason why no browser can run here; undefined where one can. */
export const noChromium = existsSync(EXECUTABLE)
  ? undefined
  : `no Chromium at ${EXECUTABLE}: on Debian apt-get install chromium-headless-shell`;

/** Starts Debian's Chromium without a window, with more arguments. Its own sandbox does not run as root. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', ...args] });
}
