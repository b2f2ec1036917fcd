import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type Database, guarded } from './database.ts';

const BYTES = 32;
const keyRow = z.object({ value: z.instanceof(Uint8Array) });

/** A key of the bridge, random and made at its first use; the same after a restart. */
export function signingKeyOf(database: Database, name: string): Uint8Array {
  const prepare = (sql: string) => database.prepare(sql);
  const make = prepare('INSERT INTO signing_keys (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const find = prepare('SELECT value FROM signing_keys WHERE name = ?');
  return guarded(database, () => {
    make.run(name, randomBytes(BYTES));
    return keyRow.parse(find.get(name)).value;
  });
}
