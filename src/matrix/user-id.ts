import { isIPv6 } from 'node:net';

const MAX_BYTES = 255;
/** `@localpart:server`; of the localpart, all that was ever allowed. The server is parted from it by the first colon. */
const USER = /^@[!-9;-~]+:(?:[A-Za-z0-9.-]+|\[([0-9A-Fa-f:.]+)\])(?::\d{1,5})?$/;

/**
 * What keeps a text from being a Matrix user id, to be said behind it; undefined where it is one.
 * See https://spec.matrix.org/v1.18/appendices/#user-identifiers.
 */
export function matrixUserFault(text: string): string | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) return `has ${bytes} bytes, a Matrix user id has at most ${MAX_BYTES}`;
  const [matched, address] = USER.exec(text) ?? [];
  const isUser = matched !== undefined && (address === undefined || isIPv6(address));
  return isUser ? undefined : 'is not a Matrix user id such as "@ann:example.org"';
}
