import { isUtf8 } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';

const HEAD_BYTES = 64 * 1024;
const LONGEST_CHARACTER = 4;

/** Whether the first 64 kB of the file are UTF-8 without NUL. */
export async function looksLikeText(handle: FileHandle, size: number): Promise<boolean> {
  const head = await readAt(handle, 0, Math.min(HEAD_BYTES, size));
  return isText(head.length < size ? head.subarray(0, wholeCharacters(head)) : head);
}

/** Reads at most `limit` bytes from `offset`. Of text it reads whole characters, and at least one. */
export async function readPage(
  handle: FileHandle,
  { offset, limit, size, text }: { offset: number; limit: number; size: number; text: boolean },
): Promise<{ content: Buffer; isText: boolean }> {
  const ahead = await readAt(handle, offset, Math.min(limit + LONGEST_CHARACTER, Math.max(0, size - offset)));
  const content = ahead.subarray(0, limit);
  if (!text) return { content, isText: false };
  if (ahead.length <= limit) return { content, isText: isText(content) };
  const whole = ahead.subarray(0, wholeCharacters(content) || characterLength(ahead));
  return isText(whole) ? { content: whole, isText: true } : { content, isText: false };
}

function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

/** The number of bytes without an incomplete character at the end. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back < LONGEST_CHARACTER && back <= bytes.length; back += 1) {
    const start = bytes.length - back;
    const first = bytes.readUInt8(start);
    if ((first & 0xc0) === 0x80) continue;
    return characterLength(bytes.subarray(start)) > back ? start : bytes.length;
  }
  return bytes.length;
}

function characterLength(bytes: Buffer): number {
  const first = bytes.readUInt8(0);
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
