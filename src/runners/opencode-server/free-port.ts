import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BridgeError } from '../../errors.ts';

/** Below the kernel's range for outgoing connections, which could take the port before the server does. */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 100;

/** A port on 127.0.0.1 on which nothing listens; no other process gets it from here while this one lives. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST, LAST);
    if ((await isFree(port)) && (await claimPort(port))) return port;
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

/**
 * Whether the port is this process's from now on. A server listens seconds after its port was chosen, and again after a
 * restart: without a claim a second bridge could choose the same one, and this bridge would then talk to its server.
 * UDP has port numbers of its own, so the socket that holds the claim is not in the server's way.
 */
export async function claimPort(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(socket, 'listening');
    socket.on('error', () => undefined);
    socket.unref();
    return true;
  } catch {
    socket.close();
    return false;
  }
}
