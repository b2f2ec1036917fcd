import { isIPv6 } from 'node:net';

const MAX_BYTES = 255;
/** `@localpart:server`; the localpart may have every character that the specification ever allowed. The first colon separates the server. */
const USER = /^@[!-9;-~]+:(?:[A-Za-z0-9.-]+|\[([0-9A-Fa-f:.]+)\])(?::\d{1,5})?$/;

/**
 * Why a text is not a Matrix user id, to append to the text; undefined where it is one.
 * See https://spec.matrix.org/v1.18/appendices/#user-identifiers.
 */
export function matrixUserFault(text: string): string | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) return `has ${bytes} bytes, a Matrix user id has at most ${MAX_BYTES}`;
  const [matched, address] = USER.exec(text) ?? [];
  const isUser = matched !== undefined && (address === undefined || isIPv6(address));
  return isUser ? undefined : 'is not a Matrix user id such as "@ann:example.org"';
}
