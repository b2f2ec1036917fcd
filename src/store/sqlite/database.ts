import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { describeLock, readLockInfo } from '../lock-info.ts';
import { MIGRATIONS } from './schema.ts';

export type Database = DatabaseSync;

/**
 * Opens `<dataDir>/bridge.db` for this process alone and migrates its schema. The exclusive lock is held by the kernel,
 * so it ends with the process in every case. Throws DATA_DIR_IN_USE while another process holds it.
 */
export function openDatabase(dataDir: string): Database {
  const database = open(dataDir);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    database.exec('BEGIN EXCLUSIVE; COMMIT');
    migrate(database);
    return database;
  } catch (thrown) {
    database.close();
    if (thrown instanceof BridgeError) throw thrown;
    throw /database is locked/.test(messageOf(thrown)) ? inUse(dataDir, thrown) : unusable(dataDir, thrown);
  }
}

function open(dataDir: string): Database {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return new DatabaseSync(join(dataDir, 'bridge.db'));
  } catch (thrown) {
    throw unusable(dataDir, thrown);
  }
}

/** Throws if the database does not answer. */
export function ping(database: Database): void {
  database.prepare('PRAGMA user_version').get();
}

/** Runs the work in a transaction. */
export function transaction(database: Database, work: () => void): void {
  guarded(database, () => {
    database.exec('BEGIN IMMEDIATE');
    try {
      work();
      database.exec('COMMIT');
    } catch (thrown) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw thrown;
    }
  });
}

/**
 * Runs work whose commits survive the process in both modes. `waits`: they are on disk when it returns. `later`: they
 * survive a power loss only once a later commit has waited for the disk.
 */
export function committing<T>(database: Database, disk: 'waits' | 'later', work: () => T): T {
  const { synchronous } = database.prepare('PRAGMA synchronous').get() ?? {};
  database.exec(`PRAGMA synchronous = ${disk === 'waits' ? 'FULL' : 'NORMAL'}`);
  try {
    return work();
  } finally {
    database.exec(`PRAGMA synchronous = ${Number(synchronous)}`);
  }
}

/** Throws DATA_DIR_UNUSABLE if the work fails because of the disk or the content of the file. */
export function guarded<T>(database: Database, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw isStorageFailure(thrown) ? unusable(dirname(database.location() ?? ''), thrown) : thrown;
  }
}

/** By SQLite's primary result codes: READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB. */
const STORAGE_FAILURES: ReadonlySet<number> = new Set([8, 10, 11, 13, 14, 26]);
const sqliteError = z.object({ errcode: z.number() });

function isStorageFailure(thrown: unknown): boolean {
  const { data } = sqliteError.safeParse(thrown);
  return data !== undefined && STORAGE_FAILURES.has(data.errcode & 0xff);
}

function migrate(database: Database): void {
  const row = database.prepare('PRAGMA user_version').get();
  const version = Number(row?.user_version ?? 0);
  if (version > MIGRATIONS.length) {
    throw new BridgeError(
      'INVALID_STATE',
      `The database has schema version ${version}, this version of the bridge supports up to ${MIGRATIONS.length}.`,
      { next: 'Run the newer version of the bridge that wrote it, or set DATA_DIR to another folder.' },
    );
  }
  for (let next = version; next < MIGRATIONS.length; next += 1) {
    database.exec(`BEGIN; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT`);
  }
}

function unusable(dataDir: string, cause: unknown): BridgeError {
  const why = messageOf(cause);
  return new BridgeError(
    'DATA_DIR_UNUSABLE',
    `The database in DATA_DIR ${quote(dataDir)} cannot be used: ${why}`,
    {
      next: 'Free disk space, set DATA_DIR to a folder that this user can write, or restore bridge.db from a backup.',
      cause,
    },
  );
}

function inUse(dataDir: string, cause: unknown): BridgeError {
  const owner = readLockInfo(dataDir);
  const who = owner ? `: ${describeLock(owner)}` : '';
  const text = `DATA_DIR "${dataDir}" is in use by another bridge process${who}.`;
  return new BridgeError('DATA_DIR_IN_USE', text, {
    next: 'Stop the other process, connect to it over HTTP, or set DATA_DIR to another folder.',
    cause,
  });
}
