import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { CredentialProxy } from '../../src/credential-proxy/credential-proxy.ts';
import { ProxyTokens } from '../../src/credential-proxy/proxy-tokens.ts';
import { createLogger } from '../../src/logger.ts';
import { type ProviderSecret, readProvider } from '../../src/provider-keys/provider.ts';
import { requestRouter } from '../../src/proxy.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';

export const KEY = 'sk-planted-key-4711-wxyz';

/** What the provider does with a request. */
export type Upstream = (req: IncomingMessage, res: ServerResponse) => unknown;

/** A request as the provider saw it. */
interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** The answer of a call; `cut`: it ended before its end. */
export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
  cut: boolean;
}

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  onChunk?: (chunk: string) => void;
}

/** A proxy over a real log, and a provider that a test scripts. */
export async function startProxyWorld(upstream: { current: Upstream }) {
  const folder = await tempDir('credential-proxy-');
  const database = openDatabase(folder.path);
  const log = new EventLog(new SqliteTaskStore(database));
  const seen: Seen[] = [];
  const provider = createServer(async (req, res) => {
    const { method, url, headers } = req;
    seen.push({ method, url, headers, body: await text(req).catch(() => '') });
    await upstream.current(req, res);
  });
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const { port } = z.object({ port: z.number() }).parse(provider.address());
  const direct = `http://127.0.0.1:${port}/v1`;
  const secrets = new Map<string, ProviderSecret>([
    ['anthropic', readProvider('anthropic', { apiKey: KEY, baseUrl: direct })],
    ['openai', readProvider('openai', { apiKey: KEY, baseUrl: direct })],
    ['gone', readProvider('gone', { apiKey: KEY, baseUrl: 'http://127.0.0.1:1/v1' })],
  ]);
  const spent: { taskId: string; tokens: number }[] = [];
  const tokens = new ProxyTokens(randomBytes(32));
  const proxy = new CredentialProxy({
    host: '127.0.0.1',
    port: 0,
    keys: { find: (id) => secrets.get(id) },
    tokens,
    serverId: 'this-server',
    log,
    onBudgetSpent: (taskId, count) => spent.push({ taskId, tokens: count }),
    router: requestRouter(),
    logger: createLogger('silent'),
  });
  await proxy.start();
  const url = `http://127.0.0.1:${proxy.port}`;

  /** A running task. */
  const run = (taskId: string, more: object = {}, ...events: TaskEventBody[]): void => {
    const created = {
      kind: 'created',
      agent_id: 'ann',
      description: 'x',
      runner: 'docker',
      directory: '/w',
    } as const;
    const options = { owns_directory: true, observers: [], timeout_ms: 60_000, ...more };
    log.create(taskId, { ...created, ...options }, taskId);
    log.append(taskId, { kind: 'started' }, ...events);
  };
  const tokenOf = (taskId: string): string => tokens.make({ kind: 'task', taskId });
  return {
    log,
    direct,
    url,
    seen,
    secrets,
    spent,
    tokens,
    run,
    tokenOf,
    /** Calls a path of OpenAI by the proxy for a task. */
    call: (taskId: string, path = '/chat/completions', call: Call = {}) =>
      send(`${url}/openai${path}`, { ...call, headers: { ...bearer(tokenOf(taskId)), ...call.headers } }),
    close: async () => {
      await proxy.close();
      provider.closeAllConnections();
      provider.close();
      database.close();
      await folder.remove();
    },
  };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Sends a request, and reads its answer to its end or to where it is cut. Rejects where there is none. */
export async function send(
  url: string,
  { method = 'POST', headers, body, onChunk }: Call = {},
): Promise<Answer> {
  const req = request(url, { method, headers: { 'content-type': 'application/json', ...headers } });
  req.end(method === 'GET' ? undefined : (body ?? '{"stream":true}'));
  const [res]: [IncomingMessage] = await (once(req, 'response') as Promise<[IncomingMessage]>);
  let received = '';
  try {
    for await (const chunk of res.setEncoding('utf8')) {
      received += chunk;
      onChunk?.(String(chunk));
    }
  } catch {
    return { status: res.statusCode ?? 0, headers: res.headers, body: received, cut: true };
  }
  return { status: res.statusCode ?? 0, headers: res.headers, body: received, cut: false };
}
