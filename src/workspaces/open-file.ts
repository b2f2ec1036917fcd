import { type BigIntStats, constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { BridgeError, quote } from '../errors.ts';
import { mediaTypeOf } from './media-types.ts';
import { accessError, outsideTask, pathOfDescriptor, resolveInside } from './path-guard.ts';
import { errorCode, isInside } from './paths.ts';
import { openForReading } from './regular-file.ts';
import { looksLikeText } from './text-page.ts';

const CHUNK_BYTES = 65_536;

/** An open file of a task; whoever opened it must close it. */
export interface OpenFile {
  /** Bytes. */
  size: number;
  /** Epoch milliseconds. */
  modifiedAt: number;
  /** Changes with the file: made of its inode, its size and the time of its last change in nanoseconds. */
  etag: string;
  mediaType: string;
  isText: boolean;
  /**
   * The bytes from `start` up to and including `end`. Fails before its last bytes where the file has become shorter or
   * was written anew, so that no mixture of two versions looks whole. A file that only grows is read as it was.
   */
  read(start: number, end: number): Readable;
  /** Whether the file is as it was when it was opened; one that has grown is not. */
  isUnchanged(): Promise<boolean>;
  close(): Promise<void>;
}

/** A regular file in the folder of a task, with the checks of the path on the open descriptor. */
export async function openInside(
  root: string,
  path: string,
  parameter: string,
): Promise<{ handle: FileHandle; real: string; size: number }> {
  const { realRoot, real } = await resolveInside(root, path, parameter);
  const { handle, stats, regular } = await openForReading(real, constants.O_NOFOLLOW).catch(
    (error: unknown) => {
      if (errorCode(error) === 'ENXIO') throw notAFile(parameter, path); // a socket
      throw accessError(parameter, path, error);
    },
  );
  try {
    if (!regular) throw notAFile(parameter, path);
    if (!isInside(realRoot, (await pathOfDescriptor(handle.fd)) ?? real)) throw outsideTask(parameter, path);
    return { handle, real, size: stats.size };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/** Opens a file of a task for reading any part of it. */
export async function openTaskFile(root: string, path: string, parameter: string): Promise<OpenFile> {
  const { handle, real } = await openInside(root, path, parameter);
  try {
    const opened = await handle.stat({ bigint: true });
    const { size, mtimeNs } = opened;
    const isText = await looksLikeText(handle, Number(size));
    return {
      size: Number(size),
      modifiedAt: Number(mtimeNs / 1_000_000n),
      etag: etagOf(opened),
      mediaType: mediaTypeOf(real, isText),
      isText,
      read: (start, end) => Readable.from(chunks(handle, start, end, opened), { objectMode: false }),
      isUnchanged: async () => etagOf(await handle.stat({ bigint: true })) === etagOf(opened),
      close: () => handle.close(),
    };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/**
 * Strong as far as a file system is: a file that is written twice between two ticks of the kernel's clock (1 to 10 ms)
 * and keeps its size has the same tag.
 */
function etagOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `"${[ino, size, mtimeNs].map((part) => part.toString(36)).join('-')}"`;
}

async function* chunks(
  handle: FileHandle,
  start: number,
  end: number,
  opened: BigIntStats,
): AsyncGenerator<Buffer, void, void> {
  for (let at = start; at <= end; ) {
    const wanted = Math.min(CHUNK_BYTES, end - at + 1);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
    if (bytesRead === 0) throw new Error(`the file became shorter than ${end + 1} bytes`);
    at += bytesRead;
    if (at > end) {
      const { size, mtimeNs } = await handle.stat({ bigint: true });
      if (mtimeNs !== opened.mtimeNs && size <= opened.size)
        throw new Error('the file was written while it was read');
    }
    yield buffer.subarray(0, bytesRead);
  }
}

function notAFile(parameter: string, path: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `${parameter} ${quote(path, 200)} is not a regular file.`, {
    reason: { kind: 'not_a_file' },
  });
}
