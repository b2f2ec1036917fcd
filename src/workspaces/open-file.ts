import { constants } from 'node:fs';
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
  /** The bytes from `start` up to and including `end`. The stream fails where the file has become shorter. */
  read(start: number, end: number): Readable;
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
    const { ino, size, mtimeNs } = await handle.stat({ bigint: true });
    const isText = await looksLikeText(handle, Number(size));
    return {
      size: Number(size),
      modifiedAt: Number(mtimeNs / 1_000_000n),
      etag: `"${[ino, size, mtimeNs].map((part) => part.toString(36)).join('-')}"`,
      mediaType: mediaTypeOf(real, isText),
      isText,
      read: (start, end) => Readable.from(chunks(handle, start, end)),
      close: () => handle.close(),
    };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

async function* chunks(handle: FileHandle, start: number, end: number): AsyncGenerator<Buffer, void, void> {
  for (let at = start; at <= end; ) {
    const wanted = Math.min(CHUNK_BYTES, end - at + 1);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
    if (bytesRead === 0) throw new Error(`the file became shorter than ${end + 1} bytes`);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function notAFile(parameter: string, path: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `${parameter} ${quote(path, 200)} is not a regular file.`, {
    reason: { kind: 'not_a_file' },
  });
}
