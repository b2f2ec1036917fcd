import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { BridgeError, messageOf, quote } from '../../errors.ts';

const content = z.object({
  user_id: z.string(),
  homeserver: z.string(),
  /** The position of the next /sync. */
  since: z.string().optional(),
});

type Content = z.infer<typeof content>;

/** The account that the file belongs to. */
export interface Account {
  userId: string;
  homeserver: string;
}

/** The file that keeps the sync position across restarts. */
export class MatrixStorage {
  readonly #path: string;
  #content: Content;
  /** Why the file cannot be used; absent where it can. The bridge does not overwrite an unusable file. */
  readonly problem: BridgeError | undefined;

  constructor(path: string, { userId, homeserver }: Account) {
    this.#path = path;
    this.#content = { user_id: userId, homeserver };
    try {
      const saved = read(path);
      if (saved?.user_id === userId && saved.homeserver === homeserver) this.#content = saved;
    } catch (thrown) {
      this.problem = unusable(path, thrown);
    }
  }

  get since(): string | undefined {
    return this.#content.since;
  }

  /** Replaces the file atomically. Throws INVALID_STATE. */
  save(since: string): void {
    if (this.problem) throw this.problem;
    if (since === this.since) return;
    const next = { ...this.#content, since };
    try {
      write(this.#path, `${JSON.stringify(next, undefined, 2)}\n`);
    } catch (thrown) {
      throw unusable(this.#path, thrown);
    }
    this.#content = next;
  }
}

function read(path: string): Content | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
  const { data } = content.safeParse(JSON.parse(text));
  if (!data) throw new Error('it is not a file of the bridge');
  return data;
}

/** Syncs the new file before the rename: a power loss leaves no empty file. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

function unusable(path: string, cause: unknown): BridgeError {
  const text = `MATRIX_STORAGE_PATH ${quote(path, 200)} cannot be used: ${messageOf(cause)}`;
  return new BridgeError('INVALID_STATE', text, {
    next: 'Repair or remove it, then restart: without it the bridge ignores messages from before the restart.',
    cause,
  });
}
