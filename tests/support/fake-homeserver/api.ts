import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { z } from 'zod';
import { checkUserId, createRoom } from './create-room.ts';
import { RateLimit } from './rate-limit.ts';
import { messages, news, nothing, position, readSyncFilter, shown } from './reads.ts';
import { forbidden, notFound, Refusal } from './refusal.ts';
import type { Room } from './room.ts';

const SERVER = 'mx.test';
const VERSIONS = Array.from({ length: 12 }, (_, minor) => `v1.${minor + 1}`);

/** The values of Synapse, as measured. */
const MESSAGES = { perSecond: 0.2, burst: 10 };
const ROOMS = { perSecond: 0.016, burst: 10 };

const content = z.record(z.string(), z.unknown());
const someone = z.object({ user_id: z.string(), reason: z.string().optional() });

/** A request and its sender. */
export interface Call {
  userId: string;
  token: string;
  query: URLSearchParams;
  body: unknown;
  /** Aborted when the client has disconnected. */
  gone: AbortSignal;
}

type Handler = (call: Call, ...parts: string[]) => unknown;

/** The state and the API of a homeserver, as far as the bridge and its tests use it. */
export class MatrixApi {
  readonly #rooms = new Map<string, Room>();
  readonly #aliases = new Map<string, string>();
  /** By token. */
  readonly #devices = new Map<string, { userId: string; deviceId: string }>();
  /** The answers to transactions, by token. */
  readonly #transactions = new Map<string, object>();
  readonly #filters: string[] = [];
  readonly #now: () => number;
  #messages: RateLimit;
  #creations: RateLimit;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  #position = 0;

  /** Limits count by this clock. */
  constructor(now: () => number) {
    this.#now = now;
    this.#messages = new RateLimit(now);
    this.#creations = new RateLimit(now);
  }

  /** Applies the default limits of Synapse from now on, or none. */
  limit(isStrict: boolean): void {
    this.#messages = new RateLimit(this.#now, isStrict ? MESSAGES : undefined);
    this.#creations = new RateLimit(this.#now, isStrict ? ROOMS : undefined);
  }

  /** A token for a new device of this user. */
  logIn(name: string): { userId: string; token: string } {
    const token = randomBytes(16).toString('hex');
    const userId = `@${name}:${SERVER}`;
    this.#devices.set(token, { userId, deviceId: randomBytes(5).toString('hex').toUpperCase() });
    return { userId, token };
  }

  userOf(token: string): string | undefined {
    return this.#devices.get(token)?.userId;
  }

  /** Executes a request; the path is without the prefix of the API. Throws `Refusal`. */
  async answer(method: string, path: string, call: Omit<Call, 'userId'>): Promise<unknown> {
    if (path === '/versions') return { versions: VERSIONS, unstable_features: {} };
    const userId = this.userOf(call.token);
    if (call.token === '') throw new Refusal(401, 'M_MISSING_TOKEN', 'Missing access token');
    if (userId === undefined) {
      throw new Refusal(401, 'M_UNKNOWN_TOKEN', 'Invalid access token passed.', { soft_logout: false });
    }
    for (const [route, handle] of this.#routes) {
      const parts = route.exec(`${method} ${path}`)?.slice(1).map(decodeURIComponent);
      if (parts) return await handle({ ...call, userId }, ...parts);
    }
    throw new Refusal(404, 'M_UNRECOGNIZED', 'Unrecognized request');
  }

  readonly #routes = routes({
    'GET /account/whoami': ({ userId, token }) => ({
      user_id: userId,
      device_id: this.#devices.get(token)?.deviceId,
      is_guest: false,
    }),
    'POST /logout': ({ token }) => {
      this.#devices.delete(token);
      return {};
    },
    'GET /profile/*': (_, userId) => ({ displayname: userId.slice(1).split(':')[0] }),
    'GET /pushrules/': () => ({ global: {} }),
    'GET /capabilities': () => ({ capabilities: {} }),
    'POST /user/*/filter': ({ body }) => ({ filter_id: `${this.#filters.push(JSON.stringify(body)) - 1}` }),
    'GET /user/*/filter/*': (_, _userId, id) => JSON.parse(this.#filters[Number(id)] ?? '{}'),
    'GET /sync': (call) => this.#sync(call),
    'GET /joined_rooms': ({ userId }) => ({
      joined_rooms: [...this.#rooms.values()]
        .filter((room) => room.membership(userId) === 'join')
        .map(({ id }) => id),
    }),
    'POST /createRoom': ({ userId, body }) => {
      this.#creations.take(userId);
      this.#messages.take(userId);
      const { room, alias, invite } = createRoom(body, userId, SERVER, this.#aliases, this.#next);
      this.#rooms.set(room.id, room);
      if (alias) this.#aliases.set(alias, room.id);
      this.#changed();
      // A user who cannot be invited makes the request fail, but the room exists.
      for (const someone of invite) this.#invite(room, userId, someone);
      return { room_id: room.id };
    },
    'GET /directory/room/*': (_, alias) => ({ room_id: this.#resolve(alias), servers: [SERVER] }),
    'POST /join/*': (call, room) => this.#join(call, room),
    'POST /rooms/*/join': (call, roomId) => this.#join(call, roomId),
    'POST /rooms/*/leave': (call, roomId) => this.#member(call, roomId, (room) => room.leave(call.userId)),
    'POST /rooms/*/forget': () => ({}),
    'POST /rooms/*/invite': (call, roomId) => {
      const { user_id } = someone.parse(call.body);
      return this.#member(call, roomId, (room) => this.#invite(room, call.userId, user_id));
    },
    'POST /rooms/*/kick': (call, roomId) => {
      const { user_id, reason } = someone.parse(call.body);
      return this.#member(call, roomId, (room) => room.kick(call.userId, user_id, reason));
    },
    'GET /rooms/*/joined_members': ({ userId }, roomId) => {
      const room = this.#room(roomId, userId);
      room.readableBy(userId);
      return {
        joined: Object.fromEntries(
          room
            .members('join')
            .map((id) => [id, { display_name: id.slice(1).split(':')[0], avatar_url: null }]),
        ),
      };
    },
    'GET /rooms/*/messages': ({ userId, token, query }, roomId) =>
      messages(this.#room(roomId, userId), userId, token, query),
    'GET /rooms/*/event/*': ({ userId, token }, roomId, eventId) => {
      const event = this.#rooms.get(roomId)?.event(eventId, userId);
      if (!event) throw notFound('Event');
      return { ...shown(event, token), room_id: roomId };
    },
    'GET /rooms/*/state': ({ userId, token }, roomId) => {
      const room = this.#room(roomId, userId);
      return room
        .stateAt(room.readableBy(userId))
        .map((event) => ({ ...shown(event, token), room_id: roomId }));
    },
    'GET /rooms/*/state/*': (call, roomId, type) => this.#state(call, roomId, type, ''),
    'GET /rooms/*/state/*/*': (call, roomId, type, key) => this.#state(call, roomId, type, key),
    'PUT /rooms/*/state/*': (call, roomId, type) => this.#setState(call, roomId, type, ''),
    'PUT /rooms/*/state/*/*': (call, roomId, type, key) => this.#setState(call, roomId, type, key),
    'PUT /rooms/*/send/*/*': (call, roomId, type, txnId) =>
      this.#once(call, `${roomId} ${type} ${txnId}`, () =>
        this.#room(roomId, call.userId).add({
          type,
          sender: call.userId,
          content: content.parse(call.body),
          txn: { token: call.token, id: txnId },
        }),
      ),
    'PUT /rooms/*/redact/*/*': (call, roomId, eventId, txnId) =>
      this.#once(call, `${roomId} redact ${eventId} ${txnId}`, () =>
        this.#room(roomId, call.userId).redact({
          type: 'm.room.redaction',
          sender: call.userId,
          content: { ...content.parse(call.body), redacts: eventId },
          redacts: eventId,
          txn: { token: call.token, id: txnId },
        }),
      ),
  });

  readonly #next = (): number => {
    this.#position += 1;
    return this.#position;
  };

  #changed(): void {
    this.#changes.emit('change');
  }

  #room(roomId: string, userId: string): Room {
    const room = this.#rooms.get(roomId);
    if (!room) throw forbidden(`User ${userId} not in room ${roomId}`);
    return room;
  }

  #resolve(alias: string): string {
    const roomId = this.#aliases.get(alias);
    if (roomId === undefined) throw new Refusal(404, 'M_NOT_FOUND', `Room alias ${alias} not found`);
    return roomId;
  }

  #join(call: Call, idOrAlias: string): object {
    const roomId = idOrAlias.startsWith('#') ? this.#resolve(idOrAlias) : idOrAlias;
    if (!this.#rooms.has(roomId)) throw new Refusal(404, 'M_UNKNOWN', "Can't join remote room.");
    this.#member(call, roomId, (room) => room.join(call.userId));
    return { room_id: roomId };
  }

  #invite(room: Room, sender: string, userId: string): void {
    checkUserId(userId, SERVER);
    room.invite(sender, userId);
    this.#changed();
  }

  #member({ userId }: Call, roomId: string, change: (room: Room) => void): object {
    this.#messages.take(userId);
    change(this.#room(roomId, userId));
    this.#changed();
    return {};
  }

  #state({ userId, token, query }: Call, roomId: string, type: string, key: string): unknown {
    const room = this.#room(roomId, userId);
    const event = room
      .stateAt(room.readableBy(userId))
      .find((one) => one.type === type && one.state_key === key);
    if (!event) throw notFound('Event');
    return query.get('format') === 'event' ? { ...shown(event, token), room_id: roomId } : event.content;
  }

  #setState({ userId, body }: Call, roomId: string, type: string, state_key: string): object {
    const room = this.#room(roomId, userId);
    const draft = { type, sender: userId, state_key, content: content.parse(body) };
    const same = room.same(draft);
    if (same) return { event_id: same.event_id };
    this.#messages.take(userId);
    const { event_id } = room.add(draft);
    this.#changed();
    return { event_id };
  }

  /** Executes a transaction of a token once. */
  #once({ userId, token }: Call, transaction: string, add: () => { event_id: string }): object {
    const key = `${token} ${transaction}`;
    const before = this.#transactions.get(key);
    if (before) return before;
    this.#messages.take(userId);
    const { event_id } = add();
    this.#transactions.set(key, { event_id });
    this.#changed();
    return { event_id };
  }

  async #sync({ userId, token, query, gone }: Call): Promise<object> {
    const since = position(query.get('since'));
    const given = query.get('filter');
    const filter = readSyncFilter(
      given?.startsWith('{') === false ? (this.#filters[Number(given)] ?? null) : given,
    );
    const timeout = AbortSignal.timeout(since === undefined ? 0 : Number(query.get('timeout') ?? 0));
    const signal = AbortSignal.any([timeout, gone]);
    for (;;) {
      const found = news(this.#rooms.values(), userId, token, since, this.#position, filter);
      if (found || since === undefined || signal.aborted) return found ?? nothing(this.#position);
      await once(this.#changes, 'change', { signal }).catch(() => undefined);
    }
  }
}

/** `*` matches one segment of a path, which may be empty at the end. */
function routes(handlers: Record<string, Handler>): [RegExp, Handler][] {
  return Object.entries(handlers).map(([route, handle]) => [
    new RegExp(`^${route.replaceAll('*', '([^/]*)')}$`),
    handle,
  ]);
}
