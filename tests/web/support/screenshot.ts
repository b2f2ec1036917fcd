import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

const FOLDER = process.env.BRIDGE_TESTS_ARTEFACTS ?? '/tmp/letta-opencode-plugin-pages';

/** Keeps a picture of the page as it is now, outside of the tree. */
export async function screenshot(page: Page, name: string, { fullPage = false } = {}): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  await page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage });
}
