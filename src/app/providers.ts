import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { encryptionKey } from '../config/variables/providers.ts';
import { providerBlocks } from '../credential-proxy/provider-blocks.ts';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Encryption } from '../provider-keys/encryption.ts';
import { KeysFile } from '../provider-keys/keys-file.ts';
import type { ProviderSecret } from '../provider-keys/provider.ts';
import { ProviderKeys } from '../provider-keys/provider-keys.ts';
import type { ProviderAccess } from '../runners/opencode-protocol/provider-blocks.ts';
import type { Database } from '../store/sqlite/database.ts';
import { SqliteProviderKeyStore } from '../store/sqlite/sqlite-provider-key-store.ts';

/** Whether OpenCode gets what the bridge knows of providers: not a server that has keys of its own. */
export function usesProviderKeys({ openCode, providers }: Config): boolean {
  return openCode.enabled ? openCode.url === undefined : providers.proxy.enabled;
}

/** What OpenCode's configuration has for the providers of models. */
export interface Providers {
  /** In a container of one task, whose model is `provider/model`. */
  forTask(taskId: string, model: string | undefined): Promise<ProviderAccess>;
  /** In the server of this process. */
  forServer(): Promise<ProviderAccess>;
}

/** An embedded server without the proxy has the keys; what the environment has reaches it anyway. */
export function providersWithKeys(keys: ProviderKeys): Providers {
  const given = (): ProviderSecret[] => {
    const set = keys.list().filter(({ source }) => source !== 'environment');
    return set.flatMap(({ provider }) => keys.find(provider) ?? []);
  };
  const address = ({ baseUrl }: ProviderSecret): string => baseUrl;
  const forServer = async () => ({ blocks: providerBlocks(given(), { address, key: ({ key }) => key }) });
  return { forServer, forTask: async () => ({ blocks: {} }) };
}

/** The keys of providers. Throws INVALID_INPUT or INVALID_STATE where some cannot be read. */
export function openProviderKeys({ providers }: Config, database: Database, logger: Logger): ProviderKeys {
  const { environment, keysFile, encryption } = providers;
  return new ProviderKeys({
    environment,
    file: keysFile === undefined ? undefined : new KeysFile(keysFile, logger),
    store: new SqliteProviderKeyStore(database),
    encryption: encryptionOf(encryption),
    logger,
  });
}

function encryptionOf({ key, keyFile, previous }: Config['providers']['encryption']): Encryption | undefined {
  const newest = key ?? (keyFile === undefined ? undefined : readKey(keyFile));
  return newest && new Encryption(previous ? [newest, previous] : [newest]);
}

function readKey(path: string): Uint8Array {
  try {
    const parsed = encryptionKey.safeParse(readFileSync(path, 'utf8').trim());
    if (parsed.success) return parsed.data;
    throw new Error(parsed.error.issues[0]?.message);
  } catch (cause) {
    const text = `ENCRYPTION_KEY_FILE ${quote(path)} cannot be used: ${messageOf(cause)}.`;
    throw new BridgeError('INVALID_INPUT', text, {
      next: 'Write 32 bytes in base64 into it: openssl rand -base64 32.',
      cause,
    });
  }
}
