import { readFileSync, type Stats, statSync } from 'node:fs';
import { z } from 'zod';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { DIALECTS, type ProviderSecret, readProvider } from './provider.ts';

const entrySchema = z.strictObject({
  api_key: z.string(),
  base_url: z.string().optional(),
  dialect: z.enum(DIALECTS).optional(),
  models: z.array(z.string()).optional(),
});
const fileSchema = z.record(
  z.string(),
  z.union([z.string().transform((api_key) => ({ api_key })), entrySchema]),
);

/** The providers of a file, and which file it was. */
interface Content {
  providers: ReadonlyMap<string, ProviderSecret>;
  version: string;
  mtimeMs: number;
}

/**
 * Keys of providers in a JSON file: by id, the key, or an object with `api_key`, `base_url`, `dialect`, `models`. A
 * file that is replaced is read again, so that a mounted secret can be rotated.
 */
export class KeysFile {
  readonly #path: string;
  readonly #logger: Logger;
  #content: Content;

  /** Throws INVALID_INPUT where it cannot be read. */
  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#content = readContent(path);
  }

  /** When it was last written, in epoch milliseconds. */
  get updatedAt(): number {
    return Math.round(this.#content.mtimeMs);
  }

  /** The present content; the last that was valid where it cannot be read any more. */
  read(): ReadonlyMap<string, ProviderSecret> {
    try {
      if (versionOf(statSync(this.#path)) !== this.#content.version) this.#content = readContent(this.#path);
    } catch (thrown) {
      this.#logger.warn({ err: messageOf(thrown) }, 'the keys of providers stay as they were read before');
    }
    return this.#content.providers;
  }
}

function readContent(path: string): Content {
  const fail = (fault: string, cause?: unknown): BridgeError =>
    new BridgeError('INVALID_INPUT', `PROVIDER_KEYS_FILE ${quote(path)} ${fault}.`, {
      next: 'Write {"anthropic": "<key>"}, or {"my-llm": {"api_key": "<key>", "base_url": "https://…/v1"}}.',
      cause,
    });
  let text: string;
  let stats: Stats;
  try {
    stats = statSync(path);
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw fail(`cannot be read: ${messageOf(thrown)}`, thrown);
  }
  // What a parser says of the text may quote a key.
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw fail('is not JSON');
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const [id] = parsed.error.issues[0]?.path ?? [];
    throw fail(
      id === undefined ? 'is not an object' : `has an entry ${quote(id)} that is neither a key nor an object`,
    );
  }
  const providers = Object.entries(parsed.data).map(([id, { api_key: apiKey, ...rest }]) => {
    const { base_url: baseUrl, ...others } = { base_url: undefined, ...rest };
    return [id, readProvider(id, { apiKey, baseUrl, ...others })] as const;
  });
  return { providers: new Map(providers), version: versionOf(stats), mtimeMs: stats.mtimeMs };
}

/** Two files may have been written in one tick of the file system's clock. */
function versionOf({ ino, size, mtimeMs }: Stats): string {
  return [ino, size, mtimeMs].join();
}
