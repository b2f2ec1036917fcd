import { expect, it } from 'vitest';
import { openProviders } from '../../src/app/credential-proxy.ts';
import { type Release, releaseAll } from '../../src/app/release.ts';
import { loadConfig } from '../../src/config/config.ts';
import { createLogger } from '../../src/logger.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { startProviderKeys } from '../provider-keys/start-provider-keys.ts';
import { tempDir } from '../support/temp.ts';

it('the proxy starts with the first key, and ends after what uses it', async () => {
  await using folder = await tempDir('open-providers-');
  await using keys = await startProviderKeys();
  const database = openDatabase(folder.path);
  const releases: Release[] = [];
  const logger = createLogger('silent');
  const providers = await openProviders({
    config: loadConfig({
      HOME: folder.path,
      DATA_DIR: folder.path,
      OPENCODE_SERVER_ENABLED: 'true',
      PROVIDER_PROXY: 'true',
    }),
    keys: keys.admin,
    log: new EventLog(new SqliteTaskStore(database)),
    onBudgetSpent: () => undefined,
    releases,
    logger,
  });
  expect(await providers.forServer()).toEqual({ blocks: {} });
  keys.admin.put('openai', { apiKey: 'a-key' });
  const { blocks, proxyHost } = await providers.forServer();
  expect(proxyHost).toBe('127.0.0.1');
  expect(JSON.stringify(blocks)).not.toContain('a-key');
  const { baseURL = '' } = blocks.openai?.options ?? {};
  const status = async () => (await fetch(`${baseURL}/responses`, { method: 'POST' })).status;
  expect(await status()).toBe(401);
  // Whatever is started after it was opened is released before it.
  const seen: number[] = [];
  releases.push(async () => void seen.push(await status()));
  await releaseAll(releases, logger);
  expect(seen).toEqual([401]);
  await expect(status()).rejects.toThrow('fetch failed');
  database.close();
});
