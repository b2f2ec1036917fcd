import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError, quote } from '../../errors.ts';
import { ignoreMissing, isInside, realpathAllowMissing } from '../../workspaces/paths.ts';

/** Folders of DATA_DIR that are private to the bridge. The folders of tasks may lie in DATA_DIR too. */
const PRIVATE_FOLDERS = ['sessions', 'snapshots'];

/**
 * Throws INVALID_INPUT where a container that mounts the directory would see private files of the bridge in DATA_DIR.
 * `name` is the parameter or variable that gave the directory.
 */
export async function assertSeparateFromDataDir(
  name: string,
  directory: string,
  dataDir: string,
): Promise<void> {
  const [folder, data] = await Promise.all([realpathAllowMissing(directory), realpathAllowMissing(dataDir)]);
  const isPrivate = PRIVATE_FOLDERS.some((each) => isInside(join(data, each), folder));
  if (!isPrivate && !isInside(folder, data)) return;
  throw new BridgeError(
    'INVALID_INPUT',
    `${name} ${quote(directory, 200)} ${isPrivate ? 'belongs to' : 'holds'} DATA_DIR, which no container may see.`,
    { next: 'Use a folder that holds no files of the bridge, or move DATA_DIR elsewhere.' },
  );
}

/** The files that lie in the directory; symlinks of both are resolved. */
export async function filesInside(directory: string, files: readonly string[]): Promise<string[]> {
  const folder = await realpath(directory);
  const found = await Promise.all(files.map((file) => realpath(file).catch(ignoreMissing)));
  return found.flatMap((file) => (file !== undefined && isInside(folder, file) ? [file] : []));
}
