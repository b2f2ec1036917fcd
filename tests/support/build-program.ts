import { createHash } from 'node:crypto';
import { copyFile, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPackage } from '../../build/package.ts';
import { ROOT } from '../../build/program.ts';
import { BUILT } from './built-program.ts';

/**
 * Builds the program and its page as `npm run build` does, for the tests and scripts that start them; for tests it is
 * Vitest's global setup. What has not changed stays where it is, so that another run may use it, and Node its compiled
 * code.
 */
export default async function buildProgram(): Promise<void> {
  const folder = `${BUILT}-${process.pid}`;
  await buildPackage(join(folder, 'dist'), [
    'tests/support/crash-entry.ts',
    'tests/support/scripted-model-host.ts',
  ]);
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'));
  const old = await digestOf(BUILT).catch(() => undefined);
  if ((await digestOf(folder)) !== old) {
    await rm(BUILT, { recursive: true, force: true });
    await rename(folder, BUILT);
  }
  await rm(folder, { recursive: true, force: true });
}

async function digestOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    hash.update(entry.name).update(await readFile(join(entry.parentPath, entry.name)));
  }
  return hash.digest('hex');
}
