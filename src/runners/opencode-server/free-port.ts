import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BridgeError } from '../../errors.ts';

/** Below the kernel's range for outgoing connections, which could take the port before the server does. */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 100;

/** A port on 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) return port;
  }
  throw new BridgeError('ENGINE_UNAVAILABLE', `No port from ${FIRST} to ${LAST} is free on 127.0.0.1.`);
}

/** Whether nothing listens on this port of 127.0.0.1. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  const closed = once(server, 'close');
  server.close();
  await closed;
  return true;
}
