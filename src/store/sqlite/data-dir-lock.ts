import { randomBytes } from 'node:crypto';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { type LockInfo, removeLockInfo, writeLockInfo } from '../lock-info.ts';
import { type Database, openDatabase } from './database.ts';

/** The lock of this process on DATA_DIR. It lasts until the database is closed. */
export interface DataDirLock {
  readonly database: Database;
  /** Bearer token for other processes of this user; never logged. */
  readonly token: string;
  /** Publishes where MCP is served on this machine. */
  announce(url: string): void;
  /** Removes what was published; must be called before the database is closed. */
  withdraw(): void;
}

/** Locks DATA_DIR for this process. Throws DATA_DIR_IN_USE, with the process that holds it, or DATA_DIR_UNUSABLE. */
export function lockDataDir(dataDir: string, kind: LockInfo['kind']): DataDirLock {
  const database = openDatabase(dataDir);
  const owner: LockInfo = { pid: process.pid, kind, since: new Date().toISOString() };
  const token = randomBytes(32).toString('base64url');
  try {
    writeLockInfo(dataDir, owner);
  } catch (cause) {
    database.close();
    throw new BridgeError('DATA_DIR_UNUSABLE', `DATA_DIR ${quote(dataDir)}: ${messageOf(cause)}`, {
      next: 'Set DATA_DIR to a folder that this user can write, on a disk with free space.',
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
