import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { SessionNoticeSink } from '../session-notice.ts';
import type { BrowserSessionStore } from '../store/browser-session-store.ts';
import { wellFormed } from '../text.ts';
import { authenticate, checkHost, checkOrigin, limitRate, refuseTaskCommands } from './access.ts';
import { BrowserSessions } from './browser-session/browser-sessions.ts';
import { sessionGuard } from './browser-session/session-guard.ts';
import { errorHandler, notFound } from './errors.ts';
import { createGuards, type Guards, type GuardsOptions } from './guards/guards.ts';
import { healthRoutes } from './health.ts';
import { McpEndpoint, type McpEndpointOptions } from './mcp-endpoint.ts';
import { type MetricsSource, metricsGuard, sendMetrics } from './metrics/metrics-endpoint.ts';
import { observeRequests } from './metrics/observe-requests.ts';
import { ModernEndpoint, type ModernEndpointOptions } from './modern-endpoint.ts';
import { NOTICE_BYTES, NotifyEndpoint } from './notify-endpoint.ts';
import { withoutOAuth } from './oauth.ts';
import { openApiRoutes } from './openapi-endpoint.ts';
import { pageRoutes } from './page/page-endpoint.ts';
import { operatorGuard } from './providers/operator-guard.ts';
import type { ProviderAdmin } from './providers/provider-admin.ts';
import { identifyRequests } from './request-id.ts';
import { StreamLimit } from './stream-limit.ts';
import { TaskApi } from './task-api.ts';
import { Tickets } from './tickets.ts';
import type { SocketLimits } from './websocket/task-socket.ts';
import { WebSocketEndpoint } from './websocket/websocket-endpoint.ts';

/** Timeouts and the number of connections. */
interface ConnectionLimits {
  /** Further ones are closed at once: the bridge needs file descriptors itself. */
  max: number;
  /** Milliseconds within which the headers, and the whole request, must arrive. */
  headersMs: number;
  requestMs: number;
}

const CONNECTIONS: ConnectionLimits = { max: 2_500, headersMs: 10_000, requestMs: 60_000 };
const CLOSE_GRACE_MS = 1_000;
/** Bytes of a body with a token, which anybody may send. */
const SIGN_IN_BYTES = 8_192;

interface MetricsOptions {
  source: MetricsSource;
  /** The bearer token of who collects them; absent: this machine only. */
  token?: string | undefined;
}

interface ProvidersOptions {
  /** Absent where OpenCode gets no keys from the bridge. */
  admin?: ProviderAdmin | undefined;
  /** The bearer token of who sets them; absent: nobody can. */
  operatorToken?: string | undefined;
}

interface PageOptions {
  sessions: BrowserSessionStore;
  now?: () => number;
  /** Where the page is, built or as sources. */
  folder?: string;
}

export interface HttpServerOptions extends McpEndpointOptions, ModernEndpointOptions, GuardsOptions {
  /** 0 takes a free one. */
  port: number;
  maxBodyBytes: number;
  /** Receives notices of sessions that are not tasks; absent: refused. */
  notices?: SessionNoticeSink | undefined;
  connections?: ConnectionLimits;
  socketLimits?: SocketLimits;
  /** The web page and its sign-in; absent: neither is served. */
  page?: PageOptions | undefined;
  /** Absent: no metrics are served or counted. */
  metrics?: MetricsOptions | undefined;
  /** The keys of providers, and who may set them. */
  providers?: ProvidersOptions | undefined;
  /** Streams of events and WebSockets that may be open. */
  maxStreams?: number;
}

export interface HttpServer {
  /** Without a path; MCP is at `/mcp`. */
  url: string;
  port: number;
  /** Where MCP is for callers on this machine, by address. */
  localUrl: string;
  /** What clients have open. */
  open(): { sessions: number; streams: number };
  /** From now on `/ready` reports that the bridge accepts no new work. */
  drain(): void;
  /** Stops listening, ends sessions and connections. */
  close(): Promise<void>;
}

/** Serves MCP at `/mcp`, the task API at `/tasks` and its description at `/openapi.json`, the bridge's state at `/health` and `/ready`, and accepts notices at `/matrix/notify`. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const state = { draining: false };
  const endpoint = new McpEndpoint(options);
  const modern = new ModernEndpoint(options);
  const notify = new NotifyEndpoint(options);
  const guards = createGuards(options);
  const tickets = new Tickets();
  const streams = new StreamLimit(options.maxStreams);
  const { page, tokens } = options;
  const sessions = page && new BrowserSessions(page.sessions, tokens, page.now);
  const tasks = new TaskApi({
    ...options,
    providers: options.providers?.admin,
    guards,
    sessions,
    tickets,
    streams,
  });
  const sockets = new WebSocketEndpoint({ ...options, guards, tickets, streams });
  const { max, headersMs, requestMs } = options.connections ?? CONNECTIONS;
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: headersMs / 2,
      // A client that offers HTTP/2 is answered in HTTP/1.1.
      shouldUpgradeCallback: ({ headers }) => /^websocket$/i.test(headers.upgrade ?? ''),
    },
    application(options, { endpoint, modern, notify, tasks, guards, sessions, state }),
  );
  server.maxConnections = max;
  server.on('upgrade', sockets.upgrade);
  await listen(server, options).catch(async (thrown: unknown) => {
    await endpoint.close();
    throw thrown;
  });
  modern.preload();
  const { address, port } = boundAddress(server);
  const drain = (): void => {
    state.draining = true;
  };
  const close = async (): Promise<void> => {
    drain();
    notify.close();
    sessions?.close();
    tasks.close();
    await sockets.close();
    await stop(server, [endpoint, modern]);
  };
  const localUrl = `http://${urlHost(address)}:${port}/mcp`;
  const url = `http://${urlHost(options.host)}:${port}`;
  const open = () => ({ sessions: endpoint.sessions, streams: streams.open });
  return { url, port, localUrl, open, drain, close };
}

/** What the application passes requests to. */
interface Parts {
  endpoint: McpEndpoint;
  modern: ModernEndpoint;
  notify: NotifyEndpoint;
  tasks: TaskApi;
  guards: Guards;
  sessions: BrowserSessions | undefined;
  state: { draining: boolean };
}

function application(
  options: HttpServerOptions,
  { endpoint, modern, notify, tasks, guards, sessions, state }: Parts,
): Express {
  const { tokens, maxBodyBytes, metrics, services, logger } = options;
  const app = express();
  app.set('json replacer', (_: string, value: unknown) =>
    typeof value === 'string' ? wellFormed(value) : value,
  );
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(identifyRequests(logger));
  if (metrics) app.use(observeRequests(metrics.source));
  app.use(checkHost(guards), checkOrigin(guards));
  app.use(healthRoutes(services, () => state.draining));
  if (metrics) {
    app.get('/metrics', refuseTaskCommands(guards), metricsGuard(metrics.token), sendMetrics(metrics.source));
  }
  const { requests, messages, batches } = limitRate(guards);
  const body = express.json({ limit: maxBodyBytes });
  const admitted = [refuseTaskCommands(guards), authenticate(guards.bearer)];
  const notice = express.json({ limit: Math.min(NOTICE_BYTES, maxBodyBytes) });
  app.post('/matrix/notify', admitted, notify.admit, notice, notify.handle);
  app.all('/mcp', admitted, messages, body, batches, modern.handle, endpoint.handle);
  app.use(openApiRoutes(tasks.routes, requests));
  if (sessions) {
    app.use(pageRoutes(sessions.needsToken ? 'token' : 'none', options.page?.folder));
    app.use('/session', refuseTaskCommands(guards), requests, express.json({ limit: SIGN_IN_BYTES }));
  }
  const user = sessions ? sessionGuard(sessions, guards) : guards.bearer;
  app.use(
    ['/tasks', '/events', '/options', '/tickets'],
    refuseTaskCommands(guards),
    authenticate(user),
    requests,
  );
  const operator = operatorGuard(options.providers?.operatorToken);
  app.use('/providers', refuseTaskCommands(guards), operator, requests);
  app.use(tasks.router);
  app.use(withoutOAuth(tokens.length > 0));
  app.use(notFound);
  app.use(errorHandler(maxBodyBytes, logger));
  return app;
}

/** As many may wait to be accepted as may be open: what does not fit into the queue is sent again seconds later. */
async function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  server.listen({ port, host: host.replace(/^\[(.*)\]$/, '$1'), backlog: server.maxConnections });
  await once(server, 'listening').catch((cause: unknown) => {
    throw new BridgeError(
      'INVALID_STATE',
      `MCP_HOST ${quote(host)}, MCP_PORT ${port}: ${messageOf(cause)}.`,
      {
        next: 'Stop what uses the port, or choose another with MCP_PORT.',
        cause,
      },
    );
  });
}

async function stop(server: Server, endpoints: readonly { close(): Promise<void> }[]): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  try {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
  } finally {
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(timer);
  }
}

function boundAddress(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  return address;
}

/** The host to call for a host to listen on. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::' || host === '[::]') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
