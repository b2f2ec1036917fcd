import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writePage } from '../src/http/page/built-page.ts';
import { bundlePage } from '../src/http/page/bundle.ts';
import { WEB_FOLDER } from '../src/package.ts';
import { licensesOf } from './licenses.ts';
import { buildProgram } from './program.ts';

/** Writes the program, its page and the licenses of what is in them into `folder`, which should be new. */
export async function buildPackage(folder: string, entryPoints: readonly string[] = []): Promise<void> {
  const inputs = await buildProgram(folder, entryPoints);
  const page = await bundlePage(join(WEB_FOLDER, 'main.tsx'));
  await writePage(join(folder, 'web'), page);
  await writeFile(join(folder, 'third-party-licenses.txt'), await licensesOf([...inputs, ...page.inputs]));
}
