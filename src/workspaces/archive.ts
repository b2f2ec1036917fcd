import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, posix, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { BridgeError } from '../errors.ts';
import { listDirectory } from './files.ts';
import { openTaskFile } from './open-file.ts';
import { resolveInside } from './path-guard.ts';
import { errorCode, isInside } from './paths.ts';

/** What an archive may hold. */
export interface ArchiveLimits {
  bytes: number;
  entries: number;
}

const ARCHIVE_LIMITS: ArchiveLimits = { bytes: 1024 ** 3, entries: 50_000 };

interface ArchiveEntry {
  /** Relative to the task's folder, with forward slashes. */
  path: string;
  size: number;
  mode: number;
  modifiedAt: Date;
  /** The target of a symlink. */
  link?: string;
}

/**
 * A tar archive of files in the folder of a task, in the order of their names. Left out are links that lead out of the
 * folder, and what is neither a file nor a link. Throws PAYLOAD_TOO_LARGE before anything is packed. The stream fails
 * where a file changes its size meanwhile.
 */
export async function archive(
  root: string,
  paths: readonly string[],
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<Readable> {
  if (paths.length > limits.entries) throw tooLarge(`${paths.length} files`, `${limits.entries}`);
  const entries: ArchiveEntry[] = [];
  let bytes = 0;
  for (const path of [...paths].sort()) {
    const entry = await entryOf(root, path);
    if (!entry) continue;
    entries.push(entry);
    bytes += entry.size;
    if (bytes > limits.bytes) throw tooLarge(`more than ${limits.bytes} bytes`, `${limits.bytes} bytes`);
  }
  const packed = pack();
  // A failure destroys the stream, so that its reader sees no complete archive.
  fill(packed, root, entries).catch((thrown: Error) => packed.destroy(thrown));
  return Readable.from(packed);
}

/** Every file in a folder of a task and below, without `.git`. Throws PAYLOAD_TOO_LARGE above `limit`. */
export async function allFiles(root: string, limit = ARCHIVE_LIMITS.entries): Promise<string[]> {
  const files: string[] = [];
  const folders = ['.'];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (let from = 0, more = true; more; ) {
      const { entries, truncated } = await listDirectory(root, folder, from);
      for (const { path, type } of entries) (type === 'directory' ? folders : files).push(path);
      from += entries.length;
      more = truncated && entries.length > 0;
      if (files.length + folders.length > limit)
        throw tooLarge(`more than ${limit} files and folders`, `${limit}`);
    }
  }
  return files;
}

async function fill(packed: Pack, root: string, entries: readonly ArchiveEntry[]): Promise<void> {
  for (const { path: name, size, mode, modifiedAt: mtime, link } of entries) {
    const header = { name, mode, mtime, uid: 0, gid: 0 };
    if (link !== undefined) {
      packed.entry({ ...header, type: 'symlink', linkname: link });
      continue;
    }
    const file = await openTaskFile(root, name, 'path');
    try {
      if (file.size !== size) throw new Error(`the size of ${name} changed while it was packed`);
      if (size === 0) packed.entry(header, '');
      else await pipeline(file.read(0, size - 1), packed.entry({ ...header, size }));
    } finally {
      await file.close();
    }
  }
  packed.finalize();
}

/** Undefined for what is left out. */
async function entryOf(root: string, path: string): Promise<ArchiveEntry | undefined> {
  try {
    // The last part is not resolved: it may be a link itself.
    const { realRoot, real } = await resolveInside(root, dirname(path), 'path');
    const full = join(real, posix.basename(path));
    const stats = await lstat(full);
    const entry = { path, mode: stats.mode & 0o111 ? 0o755 : 0o644, modifiedAt: stats.mtime };
    if (stats.isFile()) return { ...entry, size: stats.size };
    if (!stats.isSymbolicLink()) return undefined;
    const link = await readlink(full);
    const leadsInside = !link.startsWith('/') && isInside(realRoot, resolve(real, link));
    return leadsInside ? { ...entry, size: 0, link } : undefined;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT' || isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/** The file went away after it was listed. */
function isMissing(thrown: unknown): boolean {
  return thrown instanceof BridgeError && thrown.code === 'FILE_NOT_FOUND';
}

function tooLarge(what: string, limit: string): BridgeError {
  return new BridgeError(
    'PAYLOAD_TOO_LARGE',
    `The archive would have ${what}, at most ${limit} are allowed.`,
    {
      next: 'Read single files instead.',
    },
  );
}
