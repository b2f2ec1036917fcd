import { z } from 'zod';
import type { ProviderKeyStore, StoredProviderKey } from '../provider-key-store.ts';
import { committing, type Database, guarded, transaction } from './database.ts';

const keyRow = z
  .object({
    provider: z.string(),
    dialect: z.string(),
    base_url: z.string(),
    models: z.string(),
    key_id: z.string(),
    box: z.instanceof(Uint8Array),
    created_at: z.number(),
    updated_at: z.number(),
  })
  .transform(
    (row): StoredProviderKey => ({
      provider: row.provider,
      dialect: row.dialect,
      baseUrl: row.base_url,
      models: z.array(z.string()).parse(JSON.parse(row.models)),
      keyId: row.key_id,
      box: row.box,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }),
  );

/** ProviderKeyStore in SQLite. */
export class SqliteProviderKeyStore implements ProviderKeyStore {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  all(): StoredProviderKey[] {
    return guarded(this.#database, () => this.#sql.all.all()).map((row) => keyRow.parse(row));
  }

  put(...keys: StoredProviderKey[]): void {
    const work = (): void => {
      for (const { provider, dialect, baseUrl, models, keyId, box, createdAt, updatedAt } of keys) {
        this.#sql.put.run(
          ...[provider, dialect, baseUrl, JSON.stringify(models), keyId, box, createdAt, updatedAt],
        );
      }
    };
    committing(this.#database, 'waits', () => transaction(this.#database, work));
  }

  remove(provider: string): boolean {
    const work = (): boolean => Number(this.#sql.remove.run(provider).changes) > 0;
    return committing(this.#database, 'waits', () => guarded(this.#database, work));
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    all: prepare('SELECT * FROM provider_keys ORDER BY provider'),
    put: prepare('INSERT OR REPLACE INTO provider_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    remove: prepare('DELETE FROM provider_keys WHERE provider = ?'),
  };
}
