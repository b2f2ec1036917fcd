import { ClientPrefix, MatrixHttpApi, Method } from 'matrix-js-sdk/lib/http-api/index.js';
import { TypedEventEmitter } from 'matrix-js-sdk/lib/models/typed-event-emitter.js';
import { z } from 'zod';
import { wellFormed } from '../text.ts';
import { matrixEvent, type SyncAnswer, syncAnswer } from './events.ts';
import { MatrixFailure, matrixFailure } from './matrix-failure.ts';

/** The time limit of one call; a long poll adds the time for which it asks the server to wait. */
const LIMIT_MS = 20_000;

export interface MatrixEndpoint {
  /** Without a path, such as `https://matrix.example.org`. */
  url: string;
  token: string;
}

/** The options of a new room. */
export interface NewRoom {
  name: string;
  topic: string;
  /** The local part of a unique alias. */
  alias?: string;
  state?: { type: string; content: object };
}

/**
 * The parts of the client-server API that the bridge uses. Rejects with MatrixFailure. Does not retry, and does not
 * wait for rate limits: the caller does.
 */
export class MatrixApi {
  readonly #http: MatrixHttpApi<{ baseUrl: string; prefix: string; accessToken: string; onlyData: true }>;

  constructor({ url, token }: MatrixEndpoint) {
    this.#http = new MatrixHttpApi(new TypedEventEmitter(), {
      baseUrl: url,
      prefix: ClientPrefix.V3,
      accessToken: token,
      onlyData: true,
    });
  }

  /** The user id of the token. */
  async whoami(signal?: AbortSignal): Promise<string> {
    const answer = await this.#call('whoami', Method.Get, '/account/whoami', { signal });
    return parse('whoami', z.object({ user_id: z.string() }), answer).user_id;
  }

  /** Sends an event, once for each `txnId`; returns its id. */
  async send(
    roomId: string,
    type: string,
    txnId: string,
    content: object,
    signal?: AbortSignal,
  ): Promise<string> {
    const path = `/rooms/${segment(roomId)}/send/${segment(type)}/${segment(txnId)}`;
    return eventId('send', await this.#call('send', Method.Put, path, { body: content, signal }));
  }

  /** An event of a room; undefined where there is none that the account may see. */
  async event(roomId: string, id: string, signal?: AbortSignal) {
    const path = `/rooms/${segment(roomId)}/event/${segment(id)}`;
    const answer = await this.#ifFound(this.#call('event', Method.Get, path, { signal }));
    return answer === undefined ? undefined : parse('event', matrixEvent, answer);
  }

  /** The content of a state; undefined where it is not set. */
  async state(roomId: string, type: string, signal?: AbortSignal): Promise<unknown> {
    const path = `/rooms/${segment(roomId)}/state/${segment(type)}`;
    return this.#ifFound(this.#call(`state ${type}`, Method.Get, path, { signal }));
  }

  /** A state event, with its sender; undefined where it is not set. */
  async stateEvent(roomId: string, type: string, signal?: AbortSignal) {
    const path = `/rooms/${segment(roomId)}/state/${segment(type)}`;
    const query = { format: 'event' };
    const answer = await this.#ifFound(this.#call(`state ${type}`, Method.Get, path, { query, signal }));
    return answer === undefined ? undefined : parse('state', matrixEvent, answer);
  }

  async setState(roomId: string, type: string, content: object, signal?: AbortSignal): Promise<void> {
    const path = `/rooms/${segment(roomId)}/state/${segment(type)}`;
    await this.#call(`set state ${type}`, Method.Put, path, { body: content, signal });
  }

  /** Creates a private room and returns its id. Invites nobody: one wrong user id would fail the whole call. */
  async createRoom({ name, topic, alias, state }: NewRoom, signal?: AbortSignal): Promise<string> {
    const body = {
      preset: 'private_chat',
      visibility: 'private',
      name,
      topic,
      ...(alias !== undefined && { room_alias_name: alias }),
      ...(state && { initial_state: [{ state_key: '', ...state }] }),
    };
    const answer = await this.#call('create room', Method.Post, '/createRoom', { body, signal });
    return parse('create room', roomAnswer, answer).room_id;
  }

  /** The room of an alias such as `#name:example.org`; undefined where there is none. */
  async roomOf(alias: string, signal?: AbortSignal): Promise<string | undefined> {
    const path = `/directory/room/${segment(alias)}`;
    const answer = await this.#ifFound(this.#call('alias', Method.Get, path, { signal }));
    return answer === undefined ? undefined : parse('alias', roomAnswer, answer).room_id;
  }

  /** Invites a user; succeeds where the user is in the room already. */
  async invite(roomId: string, userId: string, signal?: AbortSignal): Promise<void> {
    const path = `/rooms/${segment(roomId)}/invite`;
    try {
      await this.#call(`invite ${userId}`, Method.Post, path, { body: { user_id: userId }, signal });
    } catch (thrown) {
      const isMember = thrown instanceof MatrixFailure && /already in the room/i.test(thrown.message);
      if (!isMember) throw thrown;
    }
  }

  /** Joins a room; succeeds where the account is in it already. */
  async join(roomId: string, signal?: AbortSignal): Promise<void> {
    await this.#call('join', Method.Post, `/join/${segment(roomId)}`, { body: {}, signal });
  }

  /** The user ids of the room's members. */
  async members(roomId: string, signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const path = `/rooms/${segment(roomId)}/joined_members`;
    const answer = await this.#call('members', Method.Get, path, { signal });
    const { joined } = parse('members', z.object({ joined: z.record(z.string(), z.unknown()) }), answer);
    return new Set(Object.keys(joined));
  }

  /** Long poll: the events since the token, once there are any, or after `waitMs`. */
  async sync(
    since: string | undefined,
    waitMs: number,
    filter: object,
    signal: AbortSignal,
  ): Promise<SyncAnswer> {
    const query = { filter: JSON.stringify(filter), timeout: waitMs, ...(since !== undefined && { since }) };
    const answer = await this.#call('sync', Method.Get, '/sync', { query, signal, waitMs });
    return parse('sync', syncAnswer, answer);
  }

  /** A page of a room's events backwards from `from`, the newest first; `end` is the start of the next page. */
  async before(roomId: string, from: string, to: string | undefined, filter: object, signal: AbortSignal) {
    const query = {
      dir: 'b',
      from,
      limit: 100,
      filter: JSON.stringify(filter),
      ...(to !== undefined && { to }),
    };
    const path = `/rooms/${segment(roomId)}/messages`;
    return parse(
      'messages',
      messagesAnswer,
      await this.#call('messages', Method.Get, path, { query, signal }),
    );
  }

  async #call(
    what: string,
    method: Method,
    path: string,
    { query, body, signal, waitMs = 0 }: Call,
  ): Promise<unknown> {
    // The time limit of the SDK does not cover the body of an answer.
    const limit = AbortSignal.timeout(LIMIT_MS + waitMs);
    const ends = signal ? AbortSignal.any([signal, limit]) : limit;
    try {
      const call = this.#http.authedRequest<unknown>(method, path, query, wellFormed(body), {
        abortSignal: ends,
        priority: 'auto',
      });
      return await Promise.race([call, aborted(ends)]);
    } catch (thrown) {
      if (limit.aborted) throw new MatrixFailure(`Matrix: ${what}: no answer within ${LIMIT_MS / 1_000} s`);
      throw matrixFailure(what, thrown);
    }
  }

  async #ifFound(call: Promise<unknown>): Promise<unknown> {
    try {
      return await call;
    } catch (thrown) {
      if (thrown instanceof MatrixFailure && thrown.errcode === 'M_NOT_FOUND') return undefined;
      throw thrown;
    }
  }
}

interface Call {
  query?: Record<string, string | number>;
  body?: object;
  signal?: AbortSignal | undefined;
  waitMs?: number;
}

const roomAnswer = z.object({ room_id: z.string() });
const messagesAnswer = z.object({ chunk: z.array(matrixEvent), end: z.string().optional() });

function eventId(what: string, answer: unknown): string {
  return parse(what, z.object({ event_id: z.string() }), answer).event_id;
}

function parse<T>(what: string, schema: z.ZodType<T>, answer: unknown): T {
  const { data } = schema.safeParse(answer);
  if (data === undefined)
    throw new MatrixFailure(`Matrix: ${what}: the answer does not conform to the client-server API`);
  return data;
}

const segment = encodeURIComponent;

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
