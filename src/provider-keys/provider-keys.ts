import { BridgeError, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { ProviderKeyStore, StoredProviderKey } from '../store/provider-key-store.ts';
import type { Encryption } from './encryption.ts';
import type { KeysFile } from './keys-file.ts';
import { DIALECTS, type Dialect, type ProviderInput, type ProviderSecret, readProvider } from './provider.ts';

/** Where a key comes from; of two for one provider, the one that is named first here is used. */
export const KEY_SOURCES = ['stored', 'file', 'environment'] as const;

/** What may be shown of a provider's key. Times are epoch milliseconds. */
export interface ProviderView {
  provider: string;
  source: (typeof KEY_SOURCES)[number];
  dialect: Dialect;
  baseUrl: string;
  models: readonly string[];
  /** Absent for a key that is too short to show a part of it. */
  lastFour?: string | undefined;
  createdAt?: number | undefined;
  updatedAt?: number | undefined;
}

export interface ProviderKeysOptions {
  /** The keys of variables, by the id of the provider. */
  environment: Readonly<Record<string, string>>;
  file?: KeysFile | undefined;
  store: ProviderKeyStore;
  /** Absent: no key can be stored. */
  encryption?: Encryption | undefined;
  now?: () => number;
  logger: Logger;
}

/** A key of fewer characters is not shown in part. */
const SHOWN_FROM = 16;
const CONTEXT = 'provider key 1';

/** The keys of model providers: from the environment, a file, and the store, where they are encrypted. */
export class ProviderKeys {
  readonly #options: ProviderKeysOptions;
  readonly #environment: ReadonlyMap<string, ProviderSecret>;
  readonly #stored = new Map<string, { secret: ProviderSecret; row: StoredProviderKey }>();

  /** Throws INVALID_STATE where a stored key cannot be decrypted; encrypts anew what an earlier key encrypted. */
  constructor(options: ProviderKeysOptions) {
    this.#options = options;
    const { environment } = options;
    this.#environment = new Map(
      Object.entries(environment).map(([id, apiKey]) => [id, readProvider(id, { apiKey })]),
    );
    for (const row of options.store.all()) this.#stored.set(row.provider, this.#decrypt(row));
    this.#renew();
  }

  /** Every provider that has a key, by id. */
  list(): ProviderView[] {
    const ids = new Set([...this.#stored.keys(), ...this.#file().keys(), ...this.#environment.keys()]);
    return [...ids].sort().flatMap((id) => this.#view(id) ?? []);
  }

  /** A provider with its key; undefined where it has none. */
  find(id: string): ProviderSecret | undefined {
    return this.#stored.get(id)?.secret ?? this.#file().get(id) ?? this.#environment.get(id);
  }

  /** Every provider that has a key. */
  all(): ProviderSecret[] {
    return this.list().flatMap(({ provider }) => this.find(provider) ?? []);
  }

  /** Stores a key, or replaces it; the next request to the provider has it. */
  put(id: string, input: ProviderInput): ProviderView {
    const encryption = this.#requireEncryption();
    const secret = readProvider(id, input);
    const now = (this.#options.now ?? Date.now)();
    const { dialect, baseUrl, models } = secret;
    const createdAt = this.#stored.get(id)?.row.createdAt ?? now;
    const open = { provider: id, dialect, baseUrl, models: [...models], createdAt, updatedAt: now };
    const row = { ...open, ...encryption.seal(secret.key, contextOf(open)) };
    this.#options.store.put(row);
    this.#stored.set(id, { secret, row });
    const view = this.#view(id);
    if (!view) throw new Error(`the key of ${id} is gone`);
    return view;
  }

  /** Removes a stored key. Throws NOT_FOUND where there is none, INVALID_STATE where its source is another. */
  remove(id: string): void {
    const { store } = this.#options;
    if (!this.#stored.has(id)) throw this.#notStored(id);
    store.remove(id);
    this.#stored.delete(id);
  }

  #file(): ReadonlyMap<string, ProviderSecret> {
    return this.#options.file?.read() ?? new Map();
  }

  #view(id: string): ProviderView | undefined {
    const secret = this.find(id);
    if (!secret) return undefined;
    const { dialect, baseUrl, models, key } = secret;
    const row = this.#stored.get(id)?.row;
    const isInFile = this.#file().has(id);
    const source = row ? 'stored' : isInFile ? 'file' : 'environment';
    const updatedAt = row?.updatedAt ?? (isInFile ? this.#options.file?.updatedAt : undefined);
    const lastFour = key.length < SHOWN_FROM ? undefined : key.slice(-4);
    return { provider: id, source, dialect, baseUrl, models, lastFour, createdAt: row?.createdAt, updatedAt };
  }

  #decrypt(row: StoredProviderKey): { secret: ProviderSecret; row: StoredProviderKey } {
    const { encryption } = this.#options;
    const opened = encryption?.open(row, contextOf(row)) ?? { unreadable: 'no key' };
    if ('unreadable' in opened) throw unreadable(row.provider, opened.unreadable);
    const dialect = DIALECTS.find((name) => name === row.dialect);
    const { provider: id, baseUrl, models } = row;
    return { secret: readProvider(id, { apiKey: opened.text, baseUrl, dialect, models }), row };
  }

  /** What an earlier key encrypted is encrypted with the newest, so that the earlier one can be forgotten. */
  #renew(): void {
    const { encryption, store, logger } = this.#options;
    if (!encryption) return;
    const old = [...this.#stored.values()].filter(({ row }) => row.keyId !== encryption.keyId);
    if (old.length === 0) return;
    const renewed = old.map(({ secret, row }) => ({
      ...row,
      ...encryption.seal(secret.key, contextOf(row)),
    }));
    store.put(...renewed);
    for (const row of renewed) this.#stored.set(row.provider, this.#decrypt(row));
    logger.info(
      { providers: renewed.map(({ provider }) => provider) },
      'keys are encrypted with the new ENCRYPTION_KEY',
    );
  }

  #requireEncryption(): Encryption {
    if (this.#options.encryption) return this.#options.encryption;
    throw new BridgeError('INVALID_STATE', 'No key can be stored: ENCRYPTION_KEY is not set.', {
      next: 'The operator sets it to what "openssl rand -base64 32" prints, and restarts the bridge.',
    });
  }

  #notStored(id: string): BridgeError {
    const view = this.#view(id);
    if (!view) return new BridgeError('NOT_FOUND', `There is no key of the provider ${quote(id)}.`);
    const place = view.source === 'file' ? 'PROVIDER_KEYS_FILE' : 'the environment of the bridge';
    return new BridgeError('INVALID_STATE', `The key of ${quote(id)} comes from ${place}.`, {
      next: `Remove it there${view.source === 'file' ? '.' : ', and restart the bridge.'}`,
    });
  }
}

/** A key is bound to its provider's address: who can write to the database cannot send it elsewhere. */
function contextOf(row: Pick<StoredProviderKey, 'provider' | 'dialect' | 'baseUrl'>): string {
  return JSON.stringify([CONTEXT, row.provider, row.dialect, row.baseUrl]);
}

function unreadable(id: string, why: 'no key' | 'unknown key' | 'altered'): BridgeError {
  const [fault, next] = {
    'no key': [
      'ENCRYPTION_KEY is not set',
      'Set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE to the key that it was stored with.',
    ],
    'unknown key': [
      'it was encrypted with another key than ENCRYPTION_KEY and ENCRYPTION_KEY_PREVIOUS',
      'Set ENCRYPTION_KEY_PREVIOUS to the key that it was stored with.',
    ],
    altered: ['it was altered in the database', 'Restore bridge.db from a backup.'],
  }[why] as [string, string];
  return new BridgeError(
    'INVALID_STATE',
    `The stored key of the provider ${quote(id)} cannot be read: ${fault}.`,
    { next: `${next} Without it: sqlite3 bridge.db "DELETE FROM provider_keys", and set the keys again.` },
  );
}
