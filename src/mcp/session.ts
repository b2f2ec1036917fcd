import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { InitializeRequestParams, RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Caller } from '../api/caller.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Connection } from './connection.ts';
import { createMcpServer } from './server.ts';
import { SessionTransport } from './session-transport.ts';
import type { ToolServices } from './tool.ts';

/** Waiting calls answer at once; this is for calls that do work. */
const END_LIMIT_MS = 3_000;

/** Why a session ends, as its waiting calls report it. */
export const END_REASONS = {
  stop: 'The bridge is stopping, so this call waits no longer; tasks are kept. Continue when the bridge is back.',
  evicted: 'This session makes room for others, so this call waits no longer. Go on in a new session.',
  idle: 'This session was not used for long, so this call waits no longer. Call again.',
  client: 'This session was ended, so this call waits no longer. Go on in a new session.',
} as const;

/** A connection for all messages of a client, in both directions. */
export type Pipe = Transport;

const NOBODY: Connection = { send: async () => undefined, close: async () => undefined };

/** One client's session: it has its own server, and ends only after each call has an answer. */
export class McpSession {
  readonly transport = new SessionTransport();
  readonly #server: Server;
  readonly #ending = new AbortController();

  private constructor(services: ToolServices, logger: Logger, caller?: Caller) {
    const reaches = (call: RequestId): boolean => this.transport.carriesRequests(call);
    this.#server = createMcpServer(services, logger, this.#ending.signal, caller, reaches);
    this.#server.onerror = (error) => logger.debug({ err: messageOf(error) }, 'error in an MCP session');
  }

  static async open(services: ToolServices, logger: Logger, caller?: Caller): Promise<McpSession> {
    const session = new McpSession(services, logger, caller);
    await session.#server.connect(session.transport);
    return session;
  }

  /** Takes in the handshake of a client that began with another process, which gets no second answer to it. */
  async replay(handshake: InitializeRequestParams): Promise<void> {
    this.transport.receive(NOBODY, { jsonrpc: '2.0', id: 0, method: 'initialize', params: handshake });
    await this.transport.idle();
    this.transport.receive(NOBODY, { jsonrpc: '2.0', method: 'notifications/initialized' });
  }

  /** Serves the client at the other end of a pipe. */
  async serve(pipe: Pipe): Promise<void> {
    pipe.onmessage = (message, extra) => this.transport.receive(pipe, message, extra);
    pipe.onclose = () => this.transport.disconnect(pipe);
    this.transport.listen(pipe);
    await this.transport.deliver(pipe, () => pipe.start());
  }

  /** Waiting calls answer with the current state, all calls get `limitMs` to answer; then connections are closed. */
  async end(reason: string, limitMs = END_LIMIT_MS): Promise<void> {
    this.#ending.abort(reason);
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, limitMs);
    await Promise.race([this.transport.idle(), limit.promise]);
    clearTimeout(timer);
    await this.#server.close();
  }
}
