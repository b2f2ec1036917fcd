import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Database, ping } from '../store/sqlite/database.ts';
import { StorageHealth } from '../workspaces/storage-health.ts';
import { TaskFiles } from '../workspaces/task-files.ts';

/** The folders and files of tasks. Throws INVALID_INPUT where WORKSPACE_DIR is not writable. */
export async function openTaskFiles(config: Config, logger: Logger): Promise<TaskFiles> {
  const { dir: workspaceDir, roots, maxFileSize } = config.workspace;
  const { PATH, HOME, XDG_CONFIG_HOME } = config.childEnv;
  await requireWritable(workspaceDir);
  return new TaskFiles({
    workspaceDir,
    roots,
    snapshotsDir: join(config.dataDir, 'snapshots'),
    maxFileSize,
    env: { PATH, HOME, XDG_CONFIG_HOME },
    logger,
  });
}

/** Watches what tasks and the database are stored on. */
export async function startStorageHealth(
  { dataDir, workspace }: Config,
  database: Database,
  logger: Logger,
): Promise<StorageHealth> {
  const storage = new StorageHealth({
    folders: { WORKSPACE_DIR: workspace.dir, DATA_DIR: dataDir },
    minFreeMb: workspace.minFreeMb,
    pingDatabase: () => ping(database),
    logger,
  });
  await storage.start();
  return storage;
}

async function requireWritable(workspaceDir: string): Promise<void> {
  try {
    await mkdir(workspaceDir, { recursive: true });
    await access(workspaceDir, constants.W_OK);
  } catch (cause) {
    const text = `WORKSPACE_DIR ${quote(workspaceDir)} cannot be used: ${messageOf(cause)}`;
    throw new BridgeError('INVALID_INPUT', text, {
      next: 'Set it to a folder that this user may write.',
      cause,
    });
  }
}
