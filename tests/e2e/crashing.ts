import { writeFile } from 'node:fs/promises';
import type { Program } from './program.ts';

/** Makes a bridge that runs CRASHING kill itself at a point from now on; `crashFile` is its CRASH_FILE, of its own. */
export async function crashAt({ child, says }: Program, crashFile: string, at: string): Promise<void> {
  await writeFile(crashFile, at);
  child.kill('SIGUSR2');
  await says(new RegExp(`^crashes ${at}$`, 'm'));
}
