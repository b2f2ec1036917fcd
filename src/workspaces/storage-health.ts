import { mkdtemp, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';

const MEGABYTE = 1e6;
const EVERY_MS = 10_000;
/** A check that takes longer has met a file system that hangs. */
const HANGS_AFTER_MS = 30_000;
/** Room is there again above this multiple of the minimum, so that a limit that is just touched changes nothing. */
const ENOUGH = 1.1;

export interface StorageHealthOptions {
  /** The folders that the bridge writes to, by the variable that names them. */
  folders: Readonly<Record<'WORKSPACE_DIR' | 'DATA_DIR', string>>;
  /** DISK_MIN_FREE_MB; 0: no minimum. */
  minFreeMb: number;
  /** Throws if the database does not answer. */
  pingDatabase: () => void;
  logger: Logger;
  everyMs?: number;
  /** Bytes that this user can still write in a folder. */
  freeBytes?: (folder: string) => Promise<number>;
  now?: () => number;
}

/**
 * Watches what the bridge stores things on: whether the workspace is writable, how much room there is, whether the
 * database answers. Everything is checked in the background, so that reading it never waits for a disk.
 */
export class StorageHealth {
  readonly #options: Required<StorageHealthOptions>;
  readonly #listeners = new Set<() => void>();
  #health: DependencyHealth[] = [];
  #shortage: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;
  #checkedAt = 0;

  constructor(options: StorageHealthOptions) {
    this.#options = { everyMs: EVERY_MS, freeBytes: freeBytesOf, now: Date.now, ...options };
  }

  /** Why no new task may start; undefined while there is room. */
  get reason(): string | undefined {
    return this.#shortage;
  }

  /** Calls the listener whenever `reason` begins or ends. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Resolves after the first check. */
  async start(): Promise<void> {
    await this.check();
    this.#timer = setInterval(() => void this.check(), this.#options.everyMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  health(): DependencyHealth[] {
    const waited = this.#options.now() - this.#checkedAt;
    if (waited < HANGS_AFTER_MS + this.#options.everyMs) return this.#health;
    const detail = `a check has not finished for ${Math.round(waited / 1_000)} s`;
    return this.#health.map(({ name }) => ({ name, status: 'down', detail }));
  }

  /** Checks everything once; a check that is under way is not joined by another. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const workspace = await healthOf('workspace', () => this.#checkWorkspace());
    const disk = await healthOf('disk', () => this.#checkDisk());
    const database = await healthOf('database', async () => {
      this.#options.pingDatabase();
      return 'answers';
    });
    this.#health = [workspace, disk, database];
    this.#checkedAt = this.#options.now();
  }

  /** A folder, not a file: no task can have put something in its place. */
  async #checkWorkspace(): Promise<string> {
    await rmdir(await mkdtemp(join(this.#options.folders.WORKSPACE_DIR, '.write-check-')));
    return 'writable';
  }

  async #checkDisk(): Promise<string> {
    const { folders, minFreeMb, freeBytes } = this.#options;
    const found: { variable: string; freeMb: number }[] = [];
    for (const [variable, folder] of Object.entries(folders)) {
      found.push({ variable, freeMb: Math.floor((await freeBytes(folder)) / MEGABYTE) });
    }
    const needed = this.#shortage === undefined ? minFreeMb : minFreeMb * ENOUGH;
    const short = found.find(({ freeMb }) => freeMb < needed);
    this.#setShortage(
      short &&
        `Only ${short.freeMb} MB are free in ${short.variable}; new tasks need ${Math.ceil(needed)} MB (DISK_MIN_FREE_MB ${minFreeMb})`,
    );
    if (this.#shortage !== undefined) throw new Error(this.#shortage);
    return found.map(({ variable, freeMb }) => `${freeMb} MB free in ${variable}`).join(', ');
  }

  #setShortage(reason: string | undefined): void {
    const changed = (this.#shortage === undefined) !== (reason === undefined);
    this.#shortage = reason;
    if (!changed) return;
    const { logger, minFreeMb } = this.#options;
    if (reason === undefined) logger.info({ minFreeMb }, 'there is room on the disk again; tasks start');
    else logger.warn({ reason }, 'no new task starts until there is room on the disk');
    for (const listener of this.#listeners) listener();
  }
}

async function healthOf(name: string, check: () => Promise<string>): Promise<DependencyHealth> {
  try {
    return { name, status: 'ok', detail: await check() };
  } catch (thrown) {
    return { name, status: 'down', detail: codeOf(thrown) ?? messageOf(thrown) };
  }
}

/** Of an error of the file system, whose message has a path: `/ready` answers everybody. */
function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('syscall' in thrown) || !('code' in thrown)) return undefined;
  return `${thrown.syscall}: ${thrown.code}`;
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
