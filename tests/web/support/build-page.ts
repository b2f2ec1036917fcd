import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { writePage } from '../../../src/http/page/built-page.ts';
import { bundlePage } from '../../../src/http/page/bundle.ts';
import { WEB_FOLDER } from '../../../src/package.ts';
import { tempDir } from '../../support/temp.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The page as `npm run build` writes it. */
    builtPage: string;
  }
}

/** Vitest's global setup: bundles the page once, where each server of a test would do so by itself. */
export default async function buildPage(project: TestProject): Promise<() => Promise<void>> {
  const folder = await tempDir('built-page-');
  const page = join(folder.path, 'page');
  await writePage(page, await bundlePage(join(WEB_FOLDER, 'main.tsx')));
  project.provide('builtPage', page);
  return folder.remove;
}
