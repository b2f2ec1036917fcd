import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const FILE = 'owner.json';

const ownerSchema = z.object({
  pid: z.int().positive(),
  kind: z.enum(['serve', 'stdio']),
  /** ISO 8601. */
  since: z.iso.datetime(),
  /** Where MCP is served, for this machine; absent while it does not listen. */
  url: z.url({ protocol: /^http$/ }).optional(),
  /** What lets other processes of this user in there; made for this run. */
  token: z.string().min(1).optional(),
});

/** The process that works on a DATA_DIR, as it tells others of itself. */
export type LockInfo = z.infer<typeof ownerSchema>;

/**
 * Tells who has `dataDir`, for this user's eyes only. It informs; the lock of the database decides, so only
 * the process that has it may write here.
 */
export function writeLockInfo(dataDir: string, owner: LockInfo): void {
  const path = join(dataDir, FILE);
  const draft = `${path}.new`;
  // A draft that a killed process left keeps its mode when it is written again.
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(owner)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(draft, path);
}

/** Best effort: what stays behind harms nobody. */
export function removeLockInfo(dataDir: string): void {
  try {
    rmSync(join(dataDir, FILE), { force: true });
  } catch {
    // The folder may be gone or read-only by now.
  }
}

/** Who says to have `dataDir` and lives; undefined where nobody says so, or what is said cannot be read. */
export function readLockInfo(dataDir: string): LockInfo | undefined {
  try {
    const owner = ownerSchema.parse(JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')));
    return isAlive(owner.pid) ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** The owner in words: `process 12 (serve, since …, http://…)`. */
export function describeLock({ pid, kind, since, url }: LockInfo): string {
  return `process ${pid} (${[kind, `since ${since}`, url].filter(Boolean).join(', ')})`;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    // Somebody else's process lives too.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
