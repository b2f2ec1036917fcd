import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { MatrixApi } from './fake-homeserver/api.ts';
import { Refusal } from './fake-homeserver/refusal.ts';
import type { Homeserver, HomeserverOptions } from './homeserver.ts';
import { Person } from './person.ts';

/** The fate of a request: no answer, before or after it is executed, or another answer. */
export type MatrixFault =
  | 'refuse'
  | 'lose answer'
  | 'hang'
  | { status: number; errcode?: string; retryAfterMs?: number };

/** A PUT of an event as it arrived, whatever its fate. */
export interface Arrival {
  /** By `performance.now`. */
  at: number;
  /** Absent for an unknown token. */
  sender?: string;
  roomId: string;
  type: string;
  txnId: string;
  content: unknown;
  /** The answer, once there is one. */
  status?: number;
}

const PREFIX = /^\/_matrix\/client(\/(v\d+|r0))?(?=\/)/;
const SEND = /^\/rooms\/([^/]+)\/send\/([^/]+)\/([^/]+)$/;

export interface FakeHomeserverOptions extends HomeserverOptions {
  /** The clock of its limits. */
  now?: () => number;
}

/** A homeserver in one process, with the behaviour of Synapse on which the bridge relies. */
export class FakeHomeserver implements Homeserver {
  /** Every request, as `METHOD /path`; the path is decoded and without `/_matrix/client/v3`. */
  readonly requests: string[] = [];
  /** Every event that a client tried to send. */
  readonly arrivals: Arrival[] = [];
  /** Decides the fate of a request; undefined executes it. */
  fault: (method: string, path: string, body: unknown) => MatrixFault | undefined = () => undefined;
  readonly #api: MatrixApi;
  readonly #people = new Map<string, Person>();
  #server: Server | undefined;
  #port = 0;

  constructor({ rateLimits = false, now = Date.now }: FakeHomeserverOptions = {}) {
    this.#api = new MatrixApi(now);
    this.#api.limit(rateLimits);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async user(name: string): Promise<Person> {
    const known = this.#people.get(name);
    if (known) return known;
    const { userId, token } = this.#api.logIn(name);
    const person = new Person(this.url, userId, token);
    this.#people.set(name, person);
    return person;
  }

  async start({ rateLimits }: HomeserverOptions = {}): Promise<void> {
    if (rateLimits !== undefined) this.#api.limit(rateLimits);
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = z.object({ port: z.number() }).parse(this.#server.address()).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  kill(): Promise<void> {
    return this.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const { pathname, searchParams: query } = new URL(url, 'http://fake');
    const path = pathname.replace(PREFIX, '');
    const token = headers.authorization?.replace(/^Bearer /, '') ?? '';
    this.requests.push(`${method} ${decodeURIComponent(path)}`);
    const body = await text(request)
      .then(readJson)
      .catch(() => NOT_JSON);
    const arrival = method === 'PUT' ? this.#arrive(path, token, body) : undefined;
    const fault = this.fault(method, decodeURIComponent(path), body);
    if (fault === 'hang') return;
    if (fault === 'refuse') return void request.socket.destroy();
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const [status, answer] =
      typeof fault === 'object'
        ? refusalOf(fault)
        : await this.#answer(method, path, { token, query, body, gone: gone.signal });
    if (fault === 'lose answer') return void request.socket.destroy();
    if (arrival) arrival.status = status;
    const wait = z.object({ retry_after_ms: z.number() }).safeParse(answer).data?.retry_after_ms;
    if (wait !== undefined) response.setHeader('Retry-After', Math.ceil(wait / 1000));
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
  }

  async #answer(
    method: string,
    path: string,
    call: Parameters<MatrixApi['answer']>[2],
  ): Promise<[number, unknown]> {
    try {
      if (call.body === NOT_JSON) throw new Refusal(400, 'M_NOT_JSON', 'Content not JSON.');
      return [200, await this.#api.answer(method, path, call)];
    } catch (thrown) {
      if (thrown instanceof Refusal) return [thrown.status, thrown.body];
      if (thrown instanceof z.ZodError)
        return refusalOf({ status: 400, errcode: 'M_BAD_JSON' }, thrown.message);
      return refusalOf({ status: 500 }, String(thrown));
    }
  }

  #arrive(path: string, token: string, content: unknown): Arrival | undefined {
    const parts = SEND.exec(path)?.slice(1).map(decodeURIComponent);
    if (!parts) return undefined;
    const [roomId = '', type = '', txnId = ''] = parts;
    const sender = this.#api.userOf(token);
    const arrival: Arrival = {
      at: performance.now(),
      ...(sender === undefined ? {} : { sender }),
      roomId,
      type,
      txnId,
      content,
    };
    this.arrivals.push(arrival);
    return arrival;
  }
}

const NOT_JSON = Symbol('not JSON');

function readJson(json: string): unknown {
  return json === '' ? {} : JSON.parse(json);
}

function refusalOf(fault: Extract<MatrixFault, object>, error = 'no'): [number, unknown] {
  const { status, errcode = status === 429 ? 'M_LIMIT_EXCEEDED' : 'M_UNKNOWN', retryAfterMs } = fault;
  return [
    status,
    { errcode, error, ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }) },
  ];
}

/** A fake that listens; `await using` stops it. */
export async function startFakeHomeserver(options: FakeHomeserverOptions = {}): Promise<FakeHomeserver> {
  const homeserver = new FakeHomeserver(options);
  await homeserver.start();
  return homeserver;
}
