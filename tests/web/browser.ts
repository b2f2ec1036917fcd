import { startHttpServer } from '../../src/http/server.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBrowserSessionStore } from '../../src/store/sqlite/sqlite-browser-session-store.ts';
import { RestClient } from '../http/rest.ts';
import { type ServerOptions, startServer } from '../http/server.ts';
import { BUILT_PAGE } from '../support/built-program.ts';
import { tempDir } from '../support/temp.ts';

/** A folder for the sessions of browsers, which outlives a server. */
export async function startSessions() {
  const folder = await tempDir('bridge-sessions-');
  const database = openDatabase(folder.path);
  return {
    database,
    store: new SqliteBrowserSessionStore(database),
    async [Symbol.asyncDispose]() {
      database.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

interface PageServerOptions extends ServerOptions {
  kept?: SqliteBrowserSessionStore;
  now?: () => number;
  /** The page's; absent: as it was built for all tests. */
  folder?: string;
}

/** The bridge with its page, and sessions that are `kept` elsewhere or end with it; `await using` stops it. */
export async function startPageServer(
  { kept, now, folder = BUILT_PAGE, ...options }: PageServerOptions = {},
  headers: Record<string, string> = {},
) {
  const own = kept ? undefined : await startSessions();
  const sessions = kept ?? own?.store;
  const server = await startServer({
    ...options,
    page: sessions && { sessions, folder, ...(now && { now }) },
  });
  return {
    ...server,
    origin: server.http.url,
    api: new RestClient(server.http.url, headers),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await own?.[Symbol.asyncDispose]();
    },
  };
}

/** A new HTTP server for the bridge of one that is closed, on the same port; `await using` stops it. */
export async function reopen(
  { bridge, origin }: Pick<Awaited<ReturnType<typeof startPageServer>>, 'bridge' | 'origin'>,
  sessions: SqliteBrowserSessionStore,
) {
  const http = await startHttpServer({
    host: '127.0.0.1',
    port: Number(new URL(origin).port),
    allowedHosts: [],
    allowedOrigins: [],
    tokens: [],
    maxBodyBytes: 1_000_000,
    page: { sessions, folder: BUILT_PAGE },
    services: bridge.services,
    logger: bridge.logger,
  });
  return { http, [Symbol.asyncDispose]: () => http.close() };
}

/** What a browser keeps after a sign-in. */
export interface SignedIn {
  cookie: string;
  'x-csrf-token': string;
}

/** Signs in as the page does; returns the headers of its later requests. */
export async function signIn(
  api: RestClient,
  token: string,
  headers: Record<string, string> = {},
): Promise<SignedIn> {
  const { status, body, headers: answered } = await api.post('/session', { token }, headers);
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`);
  const cookie = answered.get('set-cookie')?.split(';')[0] ?? '';
  return { cookie, 'x-csrf-token': body.csrf_token };
}
