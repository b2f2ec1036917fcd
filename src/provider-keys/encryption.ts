import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A text as it is stored. */
export interface Sealed {
  /** Which key it is encrypted with; does not reveal the key. */
  keyId: string;
  /** Nonce, ciphertext, tag. */
  box: Uint8Array;
}

/** Why a text cannot be decrypted. */
export type Unreadable = 'unknown key' | 'altered';

/** AES-256-GCM under the newest of some keys of 32 bytes. Reads what any of them encrypted. */
export class Encryption {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  /** The key that texts are encrypted with. */
  readonly keyId: string;

  constructor([newest, ...previous]: readonly [Uint8Array, ...Uint8Array[]]) {
    this.keyId = keyIdOf(newest);
    this.#keys = new Map([newest, ...previous].map((key) => [keyIdOf(key), key]));
  }

  /** `context` is not stored, but a text is only decrypted with the same. */
  seal(text: string, context: string): Sealed {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key(this.keyId), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(context));
    const box = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return { keyId: this.keyId, box };
  }

  open({ keyId, box }: Sealed, context: string): { text: string } | { unreadable: Unreadable } {
    if (!this.#keys.has(keyId)) return { unreadable: 'unknown key' };
    const bytes = Buffer.from(box);
    const decipher = createDecipheriv(ALGORITHM, this.#key(keyId), bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    try {
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
      return { text: text + decipher.final('utf8') };
    } catch {
      return { unreadable: 'altered' };
    }
  }

  #key(keyId: string): Uint8Array {
    const key = this.#keys.get(keyId);
    if (!key) throw new Error(`there is no key ${keyId}`);
    return key;
  }
}

/** Nobody finds 32 random bytes by a part of their hash. */
function keyIdOf(key: Uint8Array): string {
  return createHash('sha256').update('provider keys').update(key).digest('hex').slice(0, 16);
}
