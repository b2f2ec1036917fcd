import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { z } from 'zod';

/** What becomes of a request: it never arrives, it arrives and its answer is lost, or it is only said to have arrived. */
type Fault = 'refuse' | 'lose answer' | 'pretend';

export interface FaultyProxy {
  url: string;
  /** Decides about each request; undefined lets it through. */
  fault: (method: string, path: string) => Fault | undefined;
  /** Cuts every connection that is open. */
  cut(): void;
  close(): Promise<void>;
}

/** An HTTP proxy on 127.0.0.1 that loses what it is told to lose. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const server = createServer((incoming, outgoing) => {
    const fault = proxy.fault(incoming.method ?? '', incoming.url ?? '');
    if (fault === 'refuse') return incoming.socket.destroy();
    if (fault === 'pretend') {
      incoming.resume().once('end', () => outgoing.writeHead(204).end());
      return;
    }
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url ?? '/', target), { method, headers });
    const drop = (): void => void incoming.socket.destroy();
    onward.once('error', drop);
    outgoing.once('close', () => onward.destroy());
    onward.once('response', (answer: IncomingMessage) => {
      if (fault === 'lose answer') return drop();
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.once('error', drop);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${port}`,
    fault: () => undefined,
    cut: () => server.closeAllConnections(),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}
