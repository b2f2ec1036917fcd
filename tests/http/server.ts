import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { vi } from 'vitest';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../../src/http/server.ts';
import {
  type Bridge,
  type BridgeOptions,
  connectClient,
  startScriptedBridge,
  type TestClient,
  testClient,
} from '../mcp/bridge.ts';
import { connectModern, currentEra } from '../mcp/era.ts';

export interface ServerOptions
  extends Partial<Omit<HttpServerOptions, 'services' | 'logger' | 'modernTools'>>,
    BridgeOptions {
  /** Tools that work with this bridge, in place of its own. */
  modernTools?: (bridge: Bridge) => HttpServerOptions['modernTools'];
}

/** The bridge behind a real HTTP server on a free port, with its page unless `page` is undefined; `await using` stops all of it. */
export async function startServer({ modernTools, ...options }: ServerOptions = {}) {
  const bridge = await startScriptedBridge(options);
  const tools = modernTools?.(bridge);
  const listen = (more: Partial<HttpServerOptions>): Promise<HttpServer> =>
    startHttpServer({
      host: '127.0.0.1',
      port: 0,
      allowedHosts: [],
      allowedOrigins: [],
      tokens: [],
      maxBodyBytes: 1_000_000,
      page: { sessions: bridge.sessions },
      ...options,
      ...(tools ? { modernTools: tools } : {}),
      ...more,
      services: bridge.services,
      logger: bridge.logger,
    });
  let http = await listen({}).catch(async (thrown: unknown) => {
    await bridge[Symbol.asyncDispose]();
    throw thrown;
  });
  const clients: TestClient[] = [];
  return {
    bridge,
    get http() {
      return http;
    },
    /** Another server in the place of this one, as after a restart of the bridge. */
    async restart({ modernTools: _tools, ...more }: ServerOptions = {}): Promise<void> {
      await http.close();
      http = await listen({ port: http.port, ...more });
      // Until fetch has noticed that its connections to the first server are closed.
      await vi.waitUntil(() =>
        fetch(`${http.url}/health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    },
    url: `${http.url}/mcp`,
    /** A real client; one of the old era has a session of its own. */
    async client(headers: Record<string, string> = {}): Promise<TestClient> {
      const url = `${http.url}/mcp`;
      const requestInit = { headers };
      const client =
        currentEra() === '2026-07-28'
          ? await testClient(await connectModern({ url, headers }))
          : await connectClient(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await http.close();
      await bridge[Symbol.asyncDispose]();
    },
  };
}

const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'raw', version: '1' },
};

/** Posts one JSON-RPC message by hand. */
export function post(
  url: string,
  message: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
) {
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: typeof message === 'string' ? message : JSON.stringify(message),
    ...(signal ? { signal } : {}),
  });
}

export function request(method: string, params: object = {}, id: number | string = 1) {
  return { jsonrpc: '2.0', id, method, params };
}

/** Begins a session by hand; answers with its id. */
export async function beginSession(url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await post(url, request('initialize', INITIALIZE, 'init'), headers);
  await response.text();
  const id = response.headers.get('mcp-session-id');
  if (!response.ok || !id) throw new Error(`initialize: ${response.status}`);
  return id;
}

/** Status and body of a response that carries JSON. */
export async function answerOf(response: Response | Promise<Response>) {
  const { status, headers } = await response;
  const body: unknown = await (await response).json();
  return { status, type: headers.get('content-type'), body };
}
