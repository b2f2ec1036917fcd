/** A provider's key as it is stored: encrypted, with what may be read without the key of the encryption. */
export interface StoredProviderKey {
  provider: string;
  dialect: string;
  baseUrl: string;
  models: string[];
  /** Which key of the encryption it needs. */
  keyId: string;
  /** The encrypted key. */
  box: Uint8Array;
  /** Epoch milliseconds. */
  createdAt: number;
  updatedAt: number;
}

/** The keys of providers, one for each. What it has answered is on disk. */
export interface ProviderKeyStore {
  all(): StoredProviderKey[];
  /** Replaces all keys of the same providers at once. */
  put(...keys: StoredProviderKey[]): void;
  /** Whether there was one. */
  remove(provider: string): boolean;
}
