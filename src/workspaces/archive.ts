import { lstat, opendir, readlink } from 'node:fs/promises';
import { dirname, join, posix, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { BridgeError } from '../errors.ts';
import { openFolder } from './files.ts';
import { openTaskFile } from './open-file.ts';
import { resolveInside } from './path-guard.ts';
import { errorCode, isInside } from './paths.ts';

/** What an archive may hold. */
export interface ArchiveLimits {
  bytes: number;
  entries: number;
}

/** The last time that the header of an entry can hold as tar-stream writes it, in 2038; it holds none before 1970. */
const LAST_TIME_MS = (2 ** 31 - 1) * 1_000;

const ARCHIVE_LIMITS: ArchiveLimits = { bytes: 1024 ** 3, entries: 50_000 };

interface ArchiveEntry {
  /** Relative to the task's folder, with forward slashes. */
  path: string;
  size: number;
  mode: number;
  /** Epoch milliseconds. */
  modifiedAt: number;
  /** The target of a symlink. */
  link?: string;
}

/**
 * A tar archive of files in the folder of a task, in the order of their names. Left out are links that lead out of the
 * folder, absolute ones too, and what is neither a file nor a link. Throws PAYLOAD_TOO_LARGE before anything is packed.
 * The stream fails where a file changes meanwhile: an archive that ends is whole.
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
  let seen = 0;
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    const { folder, close } = await openFolder(root, path);
    try {
      // By and by: a folder of a million files ends this at `limit`.
      for await (const entry of await opendir(folder, { bufferSize: 256 })) {
        if (entry.name === '.git') continue;
        seen += 1;
        if (seen > limit) throw tooLarge(`more than ${limit} files and folders`, `${limit}`);
        (entry.isDirectory() ? folders : files).push(posix.join(path, entry.name));
      }
    } finally {
      await close();
    }
  }
  return files;
}

async function fill(packed: Pack, root: string, entries: readonly ArchiveEntry[]): Promise<void> {
  for (const { path: name, size, mode, modifiedAt, link } of entries) {
    const mtime = new Date(Math.min(Math.max(0, modifiedAt), LAST_TIME_MS));
    const header = { name, mode, mtime, uid: 0, gid: 0 };
    if (link !== undefined) {
      packed.entry({ ...header, type: 'symlink', linkname: link });
      continue;
    }
    const file = await openTaskFile(root, name, 'path');
    try {
      if (file.size !== size || file.modifiedAt !== modifiedAt)
        throw new Error(`${name} changed before it was packed`);
      if (size === 0) packed.entry(header, '');
      else await pipeline(file.read(0, size - 1), packed.entry({ ...header, size }));
      if (!(await file.isUnchanged())) throw new Error(`${name} changed while it was packed`);
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
    // Behind a link: links below would lead elsewhere from where they are unpacked.
    if (real !== resolve(realRoot, dirname(path))) return undefined;
    const full = join(real, posix.basename(path));
    const stats = await lstat(full);
    const entry = { path, mode: stats.mode & 0o111 ? 0o755 : 0o644, modifiedAt: Math.trunc(stats.mtimeMs) };
    if (stats.isFile()) return { ...entry, size: stats.size };
    if (!stats.isSymbolicLink()) return undefined;
    const link = await readlink(full);
    return leadsInside(realRoot, real, link) ? { ...entry, size: 0, link } : undefined;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT' || isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/**
 * Whether a link in a folder stays in the root wherever the root is unpacked. Up is allowed only at its beginning: behind
 * another link, `..` is not the folder that the path says.
 */
function leadsInside(realRoot: string, folder: string, link: string): boolean {
  const rest = link.replace(/^(\.{1,2}(\/+|$))+/, '');
  const up = rest.split('/').includes('..');
  return !link.startsWith('/') && !up && isInside(realRoot, resolve(folder, link));
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
