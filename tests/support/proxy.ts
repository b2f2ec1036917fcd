import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { z } from 'zod';

/** The fate of a request: it never arrives, its answer is lost or never comes, or the proxy answers. */
type Fault = 'refuse' | 'lose answer' | 'hang' | { status: number; type?: string; body?: string };

export interface FaultyProxy {
  url: string;
  /** Decides the fate of each request, which waits for that; undefined lets it pass. */
  fault: (method: string, path: string) => Fault | undefined | Promise<Fault | undefined>;
  /** The status of every answer of the target. */
  readonly statuses: number[];
  /** How often each frame of an event stream is sent. */
  copies: (frame: string) => number;
  /** The delay of frames; their order is kept. */
  delayMs: number;
  /** Cuts all open connections. */
  cut(): void;
  /** Keeps all connections open, but passes nothing in either direction any more. */
  stall(): void;
  close(): Promise<void>;
}

/** An HTTP proxy on 127.0.0.1 that injects faults. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const sockets = new Set<Socket>();
  const stalled = new WeakSet<Socket>();
  const server = createServer(async (incoming, outgoing) => {
    const { method, headers, socket } = incoming;
    if (stalled.has(socket)) return;
    const decision = proxy.fault(method ?? '', incoming.url ?? '');
    const fault = decision instanceof Promise ? await decision : decision;
    if (fault === 'refuse') return incoming.socket.destroy();
    if (fault === 'hang') return void incoming.resume();
    if (typeof fault === 'object') return answer(incoming, outgoing, fault);
    const onward = request(new URL(incoming.url ?? '/', target), { method, headers });
    const drop = (): void => void (stalled.has(socket) || socket.destroy());
    onward.on('error', drop);
    outgoing.once('close', () => onward.destroy());
    onward.once('response', (response: IncomingMessage) => {
      proxy.statuses.push(response.statusCode ?? 0);
      if (fault === 'lose answer') return drop();
      response.on('error', drop);
      pass(response, outgoing, () => !stalled.has(socket) && !socket.destroyed, proxy);
    });
    incoming.pipe(onward);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${port}`,
    fault: () => undefined,
    statuses: [],
    copies: () => 1,
    delayMs: 0,
    cut: () => server.closeAllConnections(),
    stall() {
      for (const socket of sockets) stalled.add(socket);
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}

function answer(incoming: IncomingMessage, outgoing: ServerResponse, fault: Exclude<Fault, string>): void {
  const { status, type = 'text/plain', body = '' } = fault;
  incoming.resume();
  outgoing.writeHead(status, { 'content-type': type }).end(body);
}

/** Forwards an answer while the connection is open; an event stream frame by frame. */
function pass(
  response: IncomingMessage,
  outgoing: ServerResponse,
  isOpen: () => boolean,
  proxy: FaultyProxy,
): void {
  if (!isOpen()) return;
  outgoing.writeHead(response.statusCode ?? 502, response.headers);
  if (!response.headers['content-type']?.startsWith('text/event-stream')) {
    response.on('data', (chunk) => isOpen() && outgoing.write(chunk));
    response.once('end', () => isOpen() && outgoing.end());
    return;
  }
  outgoing.flushHeaders();
  const later = inOrder();
  let rest = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const frames = (rest + chunk).split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const copies = `${frame}\n\n`.repeat(proxy.copies(frame));
      if (copies !== '') later(proxy.delayMs, () => isOpen() && outgoing.write(copies));
    }
  });
  response.once('end', () => later(0, () => isOpen() && outgoing.end()));
}

/** Runs each action after its delay, in order. */
function inOrder(): (delayMs: number, work: () => unknown) => void {
  const waiting: { due: number; work: () => unknown }[] = [];
  const next = (): void => {
    for (let first = waiting[0]; first; first = waiting[0]) {
      const left = first.due - performance.now();
      if (left > 0) return void setTimeout(next, left);
      waiting.shift();
      first.work();
    }
  };
  return (delayMs, work) => {
    waiting.push({ due: performance.now() + delayMs, work });
    if (waiting.length === 1) next();
  };
}
