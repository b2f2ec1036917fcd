import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const FILE = 'owner.json';

const lockInfoSchema = z.object({
  pid: z.int().positive(),
  kind: z.enum(['serve', 'stdio']),
  /** ISO 8601. */
  since: z.iso.datetime(),
  /** Where MCP is served on this machine; absent while the process does not listen. */
  url: z.url({ protocol: /^http$/ }).optional(),
  /** Bearer token for other processes of this user; new for each process. */
  token: z.string().min(1).optional(),
});

/** What the process that holds DATA_DIR publishes about itself. */
export type LockInfo = z.infer<typeof lockInfoSchema>;

/**
 * Writes who holds `dataDir`, readable by this user only. For information: the lock of the database decides, and only
 * the process that holds it may write here.
 */
export function writeLockInfo(dataDir: string, info: LockInfo): void {
  const path = join(dataDir, FILE);
  const draft = `${path}.new`;
  // A draft of a killed process would keep its mode.
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(info)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(draft, path);
}

/** Best effort: a file that stays does no harm. */
export function removeLockInfo(dataDir: string): void {
  try {
    rmSync(join(dataDir, FILE), { force: true });
  } catch {
    // The folder may be gone or read-only by now.
  }
}

/** The live process that holds `dataDir`; undefined where there is none or the file cannot be read. */
export function readLockInfo(dataDir: string): LockInfo | undefined {
  try {
    const info = lockInfoSchema.parse(JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')));
    return isAlive(info.pid) ? info : undefined;
  } catch {
    return undefined;
  }
}

/** The owner as text: `process 12 (serve, since …, http://…)`. */
export function describeLock({ pid, kind, since, url }: LockInfo): string {
  return `process ${pid} (${[kind, `since ${since}`, url].filter(Boolean).join(', ')})`;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    // EPERM: the process exists and belongs to another user.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
