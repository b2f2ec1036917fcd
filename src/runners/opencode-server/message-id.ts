import { createHash } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * An id for a user message, in OpenCode's form (`msg_`, 12 hex digits of time, 14 of base 62).
 * The same key and time give the same id. OpenCode runs a prompt once per id.
 */
export function messageId(key: string, now: number): string {
  const time = (BigInt(now) * 0x1000n) & 0xffff_ffff_ffffn;
  const digest = createHash('sha256').update(key).digest();
  const tail = Array.from(digest.subarray(0, 14), (byte) => ALPHABET[byte % 62]).join('');
  return `msg_${time.toString(16).padStart(12, '0')}${tail}`;
}

/** The id of the only part of such a message: a prompt that is sent again replaces its text instead of adding one. */
export function partId(messageId: string): string {
  return messageId.replace(/^msg_/, 'prt_');
}
