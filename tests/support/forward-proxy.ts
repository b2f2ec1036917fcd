import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { z } from 'zod';

export interface ForwardProxy {
  url: string;
  /** `host:port` of every target, in order. */
  readonly asked: string[];
  /** Maps a `host:port` to its real address; undefined: no change. */
  place: (target: string) => string | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A forward proxy like that of a company: CONNECT, and absolute http addresses. With a password it requires that. */
export async function startForwardProxy(password?: string): Promise<ForwardProxy> {
  const sockets = new Set<Duplex>();
  const mayPass = ({ headers }: IncomingMessage): boolean =>
    password === undefined ||
    headers['proxy-authorization'] === `Basic ${Buffer.from(`user:${password}`).toString('base64')}`;
  const server = createServer((incoming, outgoing) => {
    const { host } = new URL(incoming.url ?? '', 'http://none.test');
    proxy.asked.push(host);
    if (!mayPass(incoming)) return void outgoing.writeHead(407).end();
    forward(incoming, outgoing, proxy.place(host) ?? host);
  });
  server.on('connect', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const target = incoming.url ?? '';
    proxy.asked.push(target);
    sockets.add(socket.on('error', () => undefined).once('close', () => sockets.delete(socket)));
    if (!mayPass(incoming)) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    tunnel(socket, head, proxy.place(target) ?? target);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const proxy: ForwardProxy = {
    url: `http://${password === undefined ? '' : `user:${password}@`}127.0.0.1:${port}`,
    asked: [],
    place: () => undefined,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, host: string): void {
  const { pathname, search } = new URL(incoming.url ?? '');
  const options = { method: incoming.method, headers: incoming.headers };
  const onward = request(`http://${host}${pathname}${search}`, options, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.flushHeaders();
    answer.on('error', () => outgoing.destroy()).pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.once('close', () => onward.destroy());
  incoming.pipe(onward);
}

function tunnel(socket: Duplex, head: Buffer, target: string): void {
  const { hostname, port } = new URL(`http://${target}`);
  const onward: Socket = connect(Number(port || 80), hostname, () => {
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  onward.on('error', () => socket.destroy()).once('close', () => socket.destroy());
  socket.once('close', () => onward.destroy());
}
