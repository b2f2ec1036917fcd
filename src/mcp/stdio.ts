import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';

export interface StdioStreams {
  input: Readable;
  output: Writable;
}

/** The client at the other end of a pair of streams. */
export interface StdioClient {
  /** Not started yet. */
  transport: Transport;
  /** Resolves with the reason when the client is gone. */
  gone: Promise<string>;
}

export function stdioClient(
  logger: Logger,
  { input, output }: StdioStreams = { input: process.stdin, output: process.stdout },
): StdioClient {
  const transport = new StdioServerTransport(input, output);
  transport.onerror = (error) =>
    logger.debug({ err: messageOf(error) }, 'a client sent something that is not an MCP message');
  const { promise: closed, resolve } = Promise.withResolvers<string>();
  transport.onclose = () => resolve('its messages cannot be read');
  // The listener stays: an answer in progress may fail again.
  output.on('error', (error) => resolve(`stdout: ${messageOf(error)}`));
  const over = new AbortController();
  const ended = Promise.race([
    once(input, 'end', { signal: over.signal }),
    once(input, 'close', { signal: over.signal }),
  ]).then(
    () => 'end of stdin',
    (thrown: unknown) => `stdin: ${messageOf(thrown)}`,
  );
  const gone = Promise.race([ended, closed]).finally(() => over.abort());
  return { transport, gone };
}
