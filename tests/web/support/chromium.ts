import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const EXECUTABLE = process.env.BRIDGE_TESTS_CHROMIUM ?? '/usr/bin/chromium';

/** The reason why no browser can run here; undefined where one can. */
export const noChromium = existsSync(EXECUTABLE)
  ? undefined
  : `no Chromium at ${EXECUTABLE}: on Debian apt-get install chromium`;

/** Starts Debian's Chromium without a window, with more arguments. Its own sandbox does not run as root. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', ...args] });
}
