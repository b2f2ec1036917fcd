import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { createMcpServer } from './server.ts';
import type { ToolServices } from './tool.ts';

export interface StdioStreams {
  input: Readable;
  output: Writable;
}

/** Serves one client over a pair of streams; resolves when the client is gone. */
export async function serveStdio(
  services: ToolServices,
  logger: Logger,
  { input, output }: StdioStreams = { input: process.stdin, output: process.stdout },
): Promise<void> {
  const server = createMcpServer(services, logger);
  server.onerror = (error) => logger.debug({ err: messageOf(error) }, 'a client sent what is no MCP message');
  const gone = new AbortController();
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.onclose = resolve;
  const ended = Promise.race([
    once(input, 'end', { signal: gone.signal }),
    once(input, 'close', { signal: gone.signal }),
    once(output, 'error', { signal: gone.signal }),
    closed,
  ]).catch((thrown) => logger.debug({ err: messageOf(thrown) }, 'the client went away'));
  await server.connect(new StdioServerTransport(input, output));
  await ended;
  gone.abort();
  await server.close();
}
