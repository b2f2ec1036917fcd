import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program } from './program.ts';

/** The program that kills itself at a point; CRASH_FILE is its variable with a file of its own. */
export const CRASHING = join(import.meta.dirname, '../support/crash-entry.ts');

/** Makes a bridge that runs CRASHING kill itself at a point from now on. */
export async function crashAt({ child, says }: Program, crashFile: string, at: string): Promise<void> {
  await writeFile(crashFile, at);
  child.kill('SIGUSR2');
  await says(new RegExp(`^crashes ${at}$`, 'm'));
}
