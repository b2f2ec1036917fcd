import { z } from 'zod';
import type { BrowserSession, BrowserSessionStore } from '../browser-session-store.ts';
import { committing, type Database, guarded, transaction } from './database.ts';

const sessionRow = z
  .object({ id_hash: z.string(), csrf_hash: z.string(), proof: z.string(), expires_at: z.number() })
  .transform(
    ({ id_hash: idHash, csrf_hash: csrfHash, proof, expires_at: expiresAt }): BrowserSession => ({
      idHash,
      csrfHash,
      proof,
      expiresAt,
    }),
  );

/** BrowserSessionStore in SQLite. */
export class SqliteBrowserSessionStore implements BrowserSessionStore {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  add({ idHash, csrfHash, proof, expiresAt }: BrowserSession, now: number, max: number): void {
    const work = (): void => {
      this.#sql.removeExpired.run(now);
      this.#sql.removeFirst.run(max - 1);
      this.#sql.add.run(idHash, csrfHash, proof, expiresAt);
    };
    committing(this.#database, 'later', () => transaction(this.#database, work));
  }

  find(idHash: string): BrowserSession | undefined {
    const row = guarded(this.#database, () => this.#sql.find.get(idHash));
    return row && sessionRow.parse(row);
  }

  remove(idHash: string): void {
    const work = (): unknown => this.#sql.remove.run(idHash);
    committing(this.#database, 'waits', () => guarded(this.#database, work));
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    add: prepare('INSERT INTO browser_sessions (id_hash, csrf_hash, proof, expires_at) VALUES (?, ?, ?, ?)'),
    find: prepare('SELECT * FROM browser_sessions WHERE id_hash = ?'),
    remove: prepare('DELETE FROM browser_sessions WHERE id_hash = ?'),
    removeExpired: prepare('DELETE FROM browser_sessions WHERE expires_at <= ?'),
    removeFirst: prepare(
      `DELETE FROM browser_sessions WHERE id_hash IN
         (SELECT id_hash FROM browser_sessions ORDER BY expires_at DESC LIMIT -1 OFFSET ?)`,
    ),
  };
}
