import { randomBytes } from 'node:crypto';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { type LockInfo, removeLockInfo, writeLockInfo } from '../lock-info.ts';
import { type Database, openDatabase } from './database.ts';

/** This process's hold on DATA_DIR: it lasts until the database is closed. */
export interface DataDirLock {
  readonly database: Database;
  /** What lets other processes of this user in; never logged. */
  readonly token: string;
  /** Tells others where MCP is served for this machine. */
  announce(url: string): void;
  /** Tells others nothing any more; to be done before the database is closed. */
  withdraw(): void;
}

/** Takes DATA_DIR for this process. Throws DATA_DIR_IN_USE, which says who has it, or DATA_DIR_UNUSABLE. */
export function lockDataDir(dataDir: string, kind: LockInfo['kind']): DataDirLock {
  const database = openDatabase(dataDir);
  const owner: LockInfo = { pid: process.pid, kind, since: new Date().toISOString() };
  const token = randomBytes(32).toString('base64url');
  try {
    writeLockInfo(dataDir, owner);
  } catch (cause) {
    database.close();
    throw new BridgeError('DATA_DIR_UNUSABLE', `DATA_DIR ${quote(dataDir)}: ${messageOf(cause)}`, {
      next: 'Set DATA_DIR to a folder that this user may write, on a disk with room.',
      cause,
    });
  }
  return {
    database,
    token,
    announce: (url) => writeLockInfo(dataDir, { ...owner, url, token }),
    withdraw: () => removeLockInfo(dataDir),
  };
}
