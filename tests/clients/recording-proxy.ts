import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';

/** A message of a client to the bridge. */
export interface Sent {
  method: string;
  params: Record<string, unknown>;
  headers: IncomingHttpHeaders;
}

/** What stands between a client and the bridge and notes what the client says. */
export interface RecordingProxy {
  /** The address of `/mcp` for the client. */
  url: string;
  /** Oldest first; answers to what the bridge asks have no method and are left out. */
  sent: readonly Sent[];
  /** Resolves with the first message of this method. */
  heard(method: string): Promise<Sent>;
  [Symbol.asyncDispose](): Promise<void>;
}

const MessageSchema = z.looseObject({
  method: z.string(),
  params: z.record(z.string(), z.unknown()).default({}),
});

/** Starts it in front of the bridge whose `/mcp` this gives; a bridge that is down is a connection that breaks. */
export async function startRecordingProxy(target: () => string): Promise<RecordingProxy> {
  const sent: Sent[] = [];
  const waiting = new Map<string, PromiseWithResolvers<Sent>>();

  function note(body: Buffer, headers: IncomingHttpHeaders): void {
    for (const message of [parsed(body)].flat()) {
      const known = MessageSchema.safeParse(message).data;
      if (!known) continue;
      const { method, params } = known;
      sent.push({ method, params, headers });
      waiting.get(method)?.resolve({ method, params, headers });
    }
  }

  const server = createServer(async (incoming, outgoing) => {
    const { method, headers, socket } = incoming;
    const body = await buffer(incoming);
    note(body, headers);
    const url = new URL(target());
    const onward = request(url, { method, headers: { ...headers, host: url.host } });
    onward.on('error', () => socket.destroy());
    outgoing.once('close', () => onward.destroy());
    onward.once('response', (response: IncomingMessage) => {
      response.on('error', () => socket.destroy());
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      outgoing.flushHeaders();
      response.pipe(outgoing);
    });
    onward.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    sent,
    async heard(method) {
      const before = sent.find((message) => message.method === method);
      if (before) return before;
      const next = waiting.get(method) ?? Promise.withResolvers<Sent>();
      waiting.set(method, next);
      return next.promise;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
