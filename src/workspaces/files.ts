import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { BridgeError, quote } from '../errors.ts';
import { mediaTypeOf } from './media-types.ts';
import { openInside } from './open-file.ts';
import { accessError, outsideTask, pathOfDescriptor, resolveInside } from './path-guard.ts';
import { errorCode, isInside } from './paths.ts';
import { looksLikeText, readPage } from './text-page.ts';

export interface DirectoryEntry {
  /** Relative to the task's folder, with forward slashes. */
  path: string;
  type: 'file' | 'directory' | 'symlink';
  /** Bytes; 0 for a folder. */
  size: number;
}

export interface TaskFilePage {
  content: Buffer;
  /** Size of the whole file in bytes. */
  size: number;
  /** Position of `content` in the file, in bytes. */
  offset: number;
  /** Whether the file continues at `offset + content.length`. */
  truncated: boolean;
  mediaType: string;
  /** Whether `content` is UTF-8 text. */
  isText: boolean;
}

export interface PageRequest {
  /** Position of the first byte; default 0. */
  offset?: number | undefined;
  /** Number of bytes; `maxSize` is the default and the maximum. */
  limit?: number | undefined;
  maxSize: number;
}

const MAX_ENTRIES = 1000;

/**
 * The entries of a folder of a task, sorted by name, after skipping the first `from`. Leaves out `.git`, and every FIFO,
 * socket and device.
 */
export async function listDirectory(
  root: string,
  path = '.',
  from = 0,
): Promise<{ entries: DirectoryEntry[]; truncated: boolean }> {
  const { realRoot, real, folder, close } = await openFolder(root, path);
  try {
    const sorted = (await readdir(folder))
      .filter((name) => name !== '.git')
      .sort()
      .slice(from);
    const found = await Promise.all(
      sorted
        .slice(0, MAX_ENTRIES)
        .map((name) => entryOf(join(folder, name), relative(realRoot, join(real, name)))),
    );
    return { entries: found.filter((it) => it !== undefined), truncated: sorted.length > MAX_ENTRIES };
  } finally {
    await close();
  }
}

/** A folder of a task. Reading `folder` stays in it, even where the task replaces it meanwhile. */
export async function openFolder(root: string, path: string) {
  const { realRoot, real } = await resolveInside(root, path, 'path');
  const handle = await open(real, constants.O_DIRECTORY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOTDIR') throw accessError('path', path, error);
    throw new BridgeError('INVALID_INPUT', `path ${quote(path, 200)} is not a folder.`, {
      reason: { kind: 'not_a_folder' },
    });
  });
  try {
    const opened = await pathOfDescriptor(handle.fd);
    if (opened !== undefined && !isInside(realRoot, opened)) throw outsideTask('path', path);
    const folder = opened === undefined ? real : `/proc/self/fd/${handle.fd}`;
    return { realRoot, real, folder, close: () => handle.close() };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/** One page of a file, byte for byte. A page of text ends between two characters. */
export async function readTaskFile(
  root: string,
  path: string,
  { offset = 0, limit, maxSize }: PageRequest,
): Promise<TaskFilePage> {
  assertInteger('offset', offset, 0);
  if (limit !== undefined) assertInteger('limit', limit, 1);
  const { handle, real, size } = await openInside(root, path, 'file_path');
  try {
    const text = await looksLikeText(handle, size);
    const bounded = Math.min(limit ?? maxSize, maxSize);
    const page = await readPage(handle, { offset, limit: bounded, size, text });
    return {
      ...page,
      size,
      offset,
      truncated: page.content.length > 0 && offset + page.content.length < size,
      mediaType: mediaTypeOf(real, text),
    };
  } finally {
    await handle.close();
  }
}

async function entryOf(path: string, relativePath: string): Promise<DirectoryEntry | undefined> {
  try {
    const stats = await lstat(path);
    const name = relativePath.split(sep).join('/');
    if (stats.isFile()) return { path: name, type: 'file', size: stats.size };
    if (stats.isDirectory()) return { path: name, type: 'directory', size: 0 };
    if (stats.isSymbolicLink()) return { path: name, type: 'symlink', size: stats.size };
  } catch (error) {
    if (errorCode(error) === undefined) throw error; // a system error: the entry is gone
  }
  return undefined;
}

function assertInteger(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new BridgeError(
    'INVALID_INPUT',
    `${name} ${quote(value)} is not a whole number of at least ${least}.`,
    {
      next: `Give ${name} in bytes, or leave it out.`,
    },
  );
}
