import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../../errors.ts';
import { openDatabase } from '../../store/sqlite/database.ts';
import { type Check, failed } from './check.ts';

/** Only the owner may read the database. */
const PRIVATE = 0o700;

/** The folder that holds the task folders; created if missing, as the bridge does. */
export const workspaceFolder: Check = async ({ workspace }) => {
  const check = 'WORKSPACE_DIR';
  try {
    await requireWritable(workspace.dir);
    return [{ check, status: 'ok', detail: `${workspace.dir} is writable` }];
  } catch (thrown) {
    return [failed(check, thrown, 'Set WORKSPACE_DIR to a folder that the bridge may write to.')];
  }
};

/** The folder of the database. Opens a database only where one exists, to see whether it is free. */
export const dataFolder: Check = async ({ dataDir }) => {
  const check = 'DATA_DIR';
  try {
    await requireWritable(dataDir, PRIVATE);
    if (existsSync(join(dataDir, 'bridge.db'))) openDatabase(dataDir).close();
    return [{ check, status: 'ok', detail: `${dataDir} is writable and free` }];
  } catch (thrown) {
    if (!(thrown instanceof BridgeError && thrown.code === 'DATA_DIR_IN_USE')) {
      return [failed(check, thrown, 'Set DATA_DIR to another folder, one that the bridge may write to.')];
    }
    const next = 'Nothing, if that is your running bridge; a second one needs a DATA_DIR of its own.';
    return [{ check, status: 'warn', detail: `${dataDir} is in use by a bridge`, next }];
  }
};

async function requireWritable(folder: string, mode?: number): Promise<void> {
  await mkdir(folder, { recursive: true, ...(mode !== undefined && { mode }) });
  const probe = join(folder, `.doctor-${process.pid}`);
  await writeFile(probe, '');
  await rm(probe);
}
