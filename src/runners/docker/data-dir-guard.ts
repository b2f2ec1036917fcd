import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError, quote } from '../../errors.ts';
import { ignoreMissing, isInside, realpathAllowMissing } from '../../workspaces/paths.ts';

/** What the bridge keeps in DATA_DIR for itself alone; the folders of tasks may lie there too. */
const OWN = ['sessions', 'snapshots'];

/** Throws INVALID_INPUT where whoever sees the folder sees files of the bridge in DATA_DIR; `name` says what names the folder. */
export async function assertSeparateFromDataDir(
  name: string,
  directory: string,
  dataDir: string,
): Promise<void> {
  const [folder, data] = await Promise.all([realpathAllowMissing(directory), realpathAllowMissing(dataDir)]);
  const own = OWN.some((each) => isInside(join(data, each), folder));
  if (!own && !isInside(folder, data)) return;
  throw new BridgeError(
    'INVALID_INPUT',
    `${name} ${quote(directory, 200)} ${own ? 'belongs to' : 'holds'} DATA_DIR, which no container may see.`,
    { next: 'Name a folder that has nothing of the bridge in it, or set DATA_DIR to one elsewhere.' },
  );
}

/** Those of the files that are in the folder; links in both are resolved. */
export async function filesInside(directory: string, files: readonly string[]): Promise<string[]> {
  const folder = await realpath(directory);
  const found = await Promise.all(files.map((file) => realpath(file).catch(ignoreMissing)));
  return found.flatMap((file) => (file !== undefined && isInside(folder, file) ? [file] : []));
}
