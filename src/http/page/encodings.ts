import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';

const COMPRESS = { br: promisify(brotliCompress), gzip: promisify(gzip) };

export type Encoding = keyof typeof COMPRESS;

/** The encodings, the best first. */
export const ENCODINGS: readonly Encoding[] = ['br', 'gzip'];

/** Compresses each content once, when it is asked for. */
export class Compressed {
  readonly #made = new Map<string, Promise<Buffer>>();

  get(name: string, content: Uint8Array, encoding: Encoding): Promise<Buffer> {
    const key = `${encoding} ${name}`;
    const made = this.#made.get(key) ?? COMPRESS[encoding](content);
    this.#made.set(key, made);
    return made;
  }
}
