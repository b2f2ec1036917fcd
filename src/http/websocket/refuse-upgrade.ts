import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { BridgeError } from '../../errors.ts';
import { PROBLEM_TYPE, problemOf } from '../problem.ts';

/** Answers the request of an upgrade with an error, and closes the connection. */
export function refuseUpgrade(
  socket: Duplex,
  error: BridgeError,
  headers: Readonly<Record<string, string>> = {},
): void {
  const { httpStatus, retryAfterSeconds } = error;
  const body = Buffer.from(JSON.stringify(problemOf(error, httpStatus)));
  const lines = Object.entries({
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': String(body.length),
    'Cache-Control': 'no-store',
    ...(retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }),
    ...headers,
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${httpStatus} ${STATUS_CODES[httpStatus]}\r\n${lines.join('')}\r\n`);
  socket.end(body);
}
