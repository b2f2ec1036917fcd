import { randomBytes } from 'node:crypto';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { type Owner, removeOwner, writeOwner } from '../lock-info.ts';
import { type Database, openDatabase } from './database.ts';

/** This process's hold on DATA_DIR: it lasts until the database is closed. */
export interface Claim {
  readonly database: Database;
  /** What lets other processes of this user in; never logged. */
  readonly token: string;
  /** Tells others where MCP is served for this machine. */
  announce(url: string): void;
  /** Tells others nothing any more; to be done before the database is closed. */
  withdraw(): void;
}

/** Takes DATA_DIR for this process. Throws DATA_DIR_IN_USE, which says who has it, or DATA_DIR_UNUSABLE. */
export function claimDataDir(dataDir: string, kind: Owner['kind']): Claim {
  const database = openDatabase(dataDir);
  const owner: Owner = { pid: process.pid, kind, since: new Date().toISOString() };
  const token = randomBytes(32).toString('base64url');
  try {
    writeOwner(dataDir, owner);
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
    announce: (url) => writeOwner(dataDir, { ...owner, url, token }),
    withdraw: () => removeOwner(dataDir),
  };
}
