import { randomBytes } from 'node:crypto';
import { createLogger } from '../../src/logger.ts';
import { Encryption } from '../../src/provider-keys/encryption.ts';
import { ProviderKeys } from '../../src/provider-keys/provider-keys.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteProviderKeyStore } from '../../src/store/sqlite/sqlite-provider-key-store.ts';
import { tempDir } from '../support/temp.ts';

/** Keys of providers in a database of their own. */
export async function startProviderKeys(environment: Record<string, string> = {}) {
  const folder = await tempDir('provider-keys-');
  const database = openDatabase(folder.path);
  const admin = new ProviderKeys({
    environment,
    store: new SqliteProviderKeyStore(database),
    encryption: new Encryption([new Uint8Array(randomBytes(32))]),
    logger: createLogger('silent'),
  });
  return {
    admin,
    async [Symbol.asyncDispose]() {
      database.close();
      await folder.remove();
    },
  };
}
