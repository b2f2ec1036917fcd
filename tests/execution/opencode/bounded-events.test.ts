import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { boundedEvents } from '../../../src/runners/opencode-server/bounded-events.ts';
import { EventStream } from '../../../src/runners/opencode-server/event-stream.ts';
import { logger } from '../../support/bridge.ts';

const MIB = 2 ** 20;
const GREETING = 'data: {"payload":{"type":"server.connected","properties":{}}}\n\n';

/** What comes out of the stream, or why it fails. */
async function through(pieces: readonly string[], limit: number): Promise<string> {
  const source = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const out = source.pipeThrough(boundedEvents(limit));
  return new Response(out).text().catch((thrown: Error) => thrown.message);
}

it('events within the limit pass as they are, wherever they come apart', async () => {
  const events = fc.array(fc.string({ unit: fc.constantFrom('a', 'ä', '\n'), minLength: 1, maxLength: 8 }));
  await fc.assert(
    fc.asyncProperty(events, async (pieces) => {
      const text = pieces.join('');
      const parts = text.split(/(?<=\n\n)/);
      // A chunk is looked at as a whole: what one holds may be longer.
      const longest = Math.max(0, ...parts.map((part) => Buffer.byteLength(part)));
      if (longest <= 12) expect(await through(pieces, 12)).toBe(text);
    }),
  );
});

it('an event that is too long fails the stream, be it of many lines', async () => {
  expect(await through(['data: x\n\n', 'x'.repeat(100)], 50)).toBe('an event is longer than 50 bytes');
  expect(await through(Array(30).fill('data: x\n'), 50)).toBe('an event is longer than 50 bytes');
});

it('a server that sends an event without an end is left, and heard again', async () => {
  let connections = 0;
  const flood = (response: ServerResponse): void => {
    while (response.writable && response.write(Buffer.alloc(MIB, 'x')));
    response.once('drain', () => flood(response));
  };
  const server = createServer((_, response) => {
    connections += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(GREETING);
    if (connections > 1) return;
    response.write('data: ');
    flood(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stream = new EventStream({ url: `http://127.0.0.1:${port}`, username: 'opencode' }, logger);
  const lost: string[] = [];
  stream.listen('s', { onEvent: () => undefined, onLost: (why) => lost.push(why), onGap: () => undefined });
  try {
    await stream.ready();
    await vi.waitUntil(() => connections > 1, { timeout: 25_000 });
    expect(lost).toEqual([expect.stringContaining(`longer than ${64 * MIB} bytes`)]);
    await stream.ready();
    expect(stream.connected).toBe(true);
  } finally {
    stream.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
