import { createServer, type RequestListener } from 'node:http';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { waitForConnected } from '../../../src/runners/opencode-server/wait-for-connected.ts';

const STREAM = { 'content-type': 'text/event-stream' };
const HEARTBEAT = 'data: {"type":"server.heartbeat"}\n\n';

/** An HTTP server that is no OpenCode. */
async function serve(listener: RequestListener) {
  const http = createServer(listener);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.number() }).parse(http.address());
  const close = async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}`, username: 'opencode', [Symbol.asyncDispose]: close };
}

const others: [string, RequestListener, RegExp][] = [
  [
    'a web page',
    (_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'),
    /\/event answers with a web page instead of an event stream: this is no OpenCode server\.$/,
  ],
  ['an error', (_, response) => response.writeHead(503).end(), /\/event answers HTTP 503\.$/],
  [
    'a stream that ends',
    (_, response) => response.writeHead(200, STREAM).end(HEARTBEAT),
    /\/event ended before it sent server\.connected\.$/,
  ],
  ['a cut connection', ({ socket }) => socket.destroy(), /^http\S+ cannot be reached: .*\w/],
];

const silent: [string, RequestListener][] = [
  ['a stream without server.connected', (_, response) => response.writeHead(200, STREAM).write(HEARTBEAT)],
  ['an answer', () => undefined],
];

it.each(others)('reports %s', async (_name, listener, says) => {
  await using other = await serve(listener);
  await expect(waitForConnected(other, 30_000)).rejects.toThrow(says);
});

it.each(silent)('waits no longer than it may for %s', async (_name, listener) => {
  await using other = await serve(listener);
  await expect(waitForConnected(other, 300)).rejects.toThrow(
    /\/event did not send server\.connected within 0\.3 s\.$/,
  );
});

it('reads server.connected in pieces, after other events', async () => {
  await using other = await serve(({ headers }, response) => {
    expect(headers.authorization).toBe(`Basic ${Buffer.from('opencode:x').toString('base64')}`);
    response.writeHead(200, STREAM).write(`${HEARTBEAT}data: {"type":"server.conn`);
    setImmediate(() => response.write('ected","properties":{}}\r\n\r\n'));
  });
  await waitForConnected({ ...other, password: 'x' }, 30_000);
});
