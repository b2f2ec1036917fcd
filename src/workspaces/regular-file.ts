import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errorCode } from './paths.ts';

/** Opens a file for reading. Never blocks on a FIFO; `regular` is false for anything but a regular file. */
export async function openForReading(
  path: string,
  flags = 0,
): Promise<{ handle: FileHandle; stats: Stats; regular: boolean }> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  try {
    const stats = await handle.stat();
    return { handle, stats, regular: stats.isFile() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The content and stats of a regular file of at most `maxBytes`; undefined for anything else. */
export async function readIfRegular(
  path: string,
  maxBytes: number,
  flags = 0,
): Promise<{ content: Buffer; stats: Stats } | undefined> {
  let opened: Awaited<ReturnType<typeof openForReading>>;
  try {
    opened = await openForReading(path, flags);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
  try {
    if (!opened.regular || opened.stats.size > maxBytes) return undefined;
    return { content: await opened.handle.readFile(), stats: opened.stats };
  } finally {
    await opened.handle.close();
  }
}
