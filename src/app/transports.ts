import type { Config } from '../config/config.ts';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../http/server.ts';
import type { Logger } from '../logger.ts';
import { END_REASONS, McpSession, type Pipe } from '../mcp/session.ts';
import type { ToolServices } from '../mcp/tool.ts';
import type { SessionNotices } from '../notifications/matrix/session-notices.ts';
import type { Runner } from '../runners/runner.ts';
import type { DataDirLock } from '../store/sqlite/data-dir-lock.ts';
import type { Release } from './release.ts';

export interface TransportsOptions {
  http: Config['http'];
  sessionStore: HttpServerOptions['sessionStore'];
  stateKey: HttpServerOptions['stateKey'];
  /** The web page; undefined: it is switched off. */
  page: HttpServerOptions['page'];
  /** Undefined: they are switched off. */
  metrics: HttpServerOptions['metrics'];
  providers: HttpServerOptions['providers'];
  services: ToolServices;
  runner: Runner;
  notices: SessionNotices | undefined;
  lock: DataDirLock;
  releases: Release[];
  logger: Logger;
}

/** How clients reach the bridge: over HTTP and over pipes. */
export class Transports {
  readonly #options: TransportsOptions;
  readonly #sessions: McpSession[] = [];
  #server: HttpServer | undefined;

  constructor(options: TransportsOptions) {
    this.#options = options;
  }

  /** Serves HTTP as configured. Where tokens are required, the token of the lock is one. */
  listen(): Promise<HttpServer> {
    const { http, page, metrics, providers } = this.#options;
    return this.#listen({
      ...http,
      page,
      metrics,
      providers,
      tokens: http.tokens.length > 0 ? [...http.tokens, this.#lockToken()] : [],
    });
  }

  /** Serves HTTP, without the page, to other processes of this user only: on a free loopback port, with the token of the lock. */
  listenPrivately(): Promise<HttpServer> {
    const { http } = this.#options;
    return this.#listen({ ...http, host: '127.0.0.1', port: 0, tokens: [this.#lockToken()] });
  }

  /** Serves one client over a pipe. */
  async serve(pipe: Pipe): Promise<void> {
    const { services, logger } = this.#options;
    const session = await McpSession.open(services, logger);
    this.#sessions.push(session);
    await session.serve(pipe);
  }

  /** What clients have open over HTTP. */
  open(): { sessions: number; streams: number } {
    return this.#server?.open() ?? { sessions: 0, streams: 0 };
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#server?.close(),
      ...this.#sessions.map((session) => session.end(END_REASONS.stop)),
    ]);
  }

  async #listen(
    http: Config['http'] & Pick<HttpServerOptions, 'page' | 'metrics' | 'providers'>,
  ): Promise<HttpServer> {
    const { services, sessionStore, stateKey, runner, notices, lock, releases, logger } = this.#options;
    const server = await startHttpServer({
      ...http,
      services,
      sessionStore,
      stateKey,
      isFromCommand: async (connection) => (await runner.mayHaveOpened?.(connection)) ?? false,
      notices,
      logger,
    });
    this.#server = server;
    // Released first: clients can still watch the tasks that finish in the grace period.
    releases.push(() => server.drain());
    lock.announce(server.localUrl);
    return server;
  }

  #lockToken() {
    return { token: this.#options.lock.token, local: true };
  }
}
