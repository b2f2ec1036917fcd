import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const roomEvent = z.object({
  event_id: z.string(),
  type: z.string(),
  sender: z.string(),
  origin_server_ts: z.number(),
  content: z.record(z.string(), z.unknown()),
  state_key: z.string().optional(),
  unsigned: z.record(z.string(), z.unknown()).default({}),
});
const refusal = z.object({
  errcode: z.string(),
  error: z.string().default(''),
  retry_after_ms: z.number().optional(),
});
const page = z.object({ chunk: z.array(roomEvent), end: z.string().optional() });
const withEventId = z.object({ event_id: z.string() });
const withRoomId = z.object({ room_id: z.string() });
const members = z.object({ joined: z.record(z.string(), z.unknown()) });
const part = z.object({
  timeline: z.object({
    events: z.array(roomEvent),
    limited: z.boolean().default(false),
    prev_batch: z.string().optional(),
  }),
  state: z.object({ events: z.array(roomEvent) }),
});
const invitation = z.object({
  invite_state: z.object({
    events: z.array(z.object({ type: z.string(), state_key: z.string(), content: roomEvent.shape.content })),
  }),
});
const synced = z.object({
  next_batch: z.string(),
  rooms: z
    .object({
      join: z.record(z.string(), part).default({}),
      invite: z.record(z.string(), invitation).default({}),
      leave: z.record(z.string(), part).default({}),
    })
    .prefault({}),
});

export type RoomEvent = z.infer<typeof roomEvent>;
export type Synced = z.infer<typeof synced>;
export type Content = Record<string, unknown>;

const SEEN_WITHIN_MS = 60_000;
const POLL_MS = 20_000;
const AGAIN_MS = 100;

/** The homeserver refused the request. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  readonly errcode: string;
  readonly retryAfterMs: number | undefined;

  constructor(call: string, status: number, body: z.infer<typeof refusal>) {
    super(`${call}: ${status} ${body.errcode} ${body.error}`);
    this.status = status;
    this.errcode = body.errcode;
    this.retryAfterMs = body.retry_after_ms;
  }
}

/** A path of the client-server API; inserted values are escaped. */
export function path(parts: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

/** A user of a homeserver, who can do and see what a user of Element can. */
export class Person {
  readonly url: string;
  readonly userId: string;
  readonly token: string;

  constructor(url: string, userId: string, token: string) {
    this.url = url;
    this.userId = userId;
    this.token = token;
  }

  /** Any call below `/_matrix/client/v3`; throws `Refused` where the answer is an error. */
  async ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    const response = await fetch(`${this.url}/_matrix/client/v3${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        'Content-Type': 'application/json',
        // A kept-alive connection would be dead after a restart of the server.
        Connection: 'close',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Refused(`${method} ${path}`, response.status, refusal.parse(answer));
    return answer;
  }

  async createRoom(options: Content = {}): Promise<string> {
    return withRoomId.parse(await this.ask('POST', '/createRoom', { preset: 'private_chat', ...options }))
      .room_id;
  }

  /** Joins by room id or alias. */
  async join(room: string): Promise<string> {
    return withRoomId.parse(await this.ask('POST', path`/join/${room}`, {})).room_id;
  }

  async invite(roomId: string, userId: string): Promise<void> {
    await this.ask('POST', path`/rooms/${roomId}/invite`, { user_id: userId });
  }

  async kick(roomId: string, userId: string, reason?: string): Promise<void> {
    await this.ask('POST', path`/rooms/${roomId}/kick`, { user_id: userId, ...(reason ? { reason } : {}) });
  }

  async leave(roomId: string): Promise<void> {
    await this.ask('POST', path`/rooms/${roomId}/leave`, {});
  }

  /** Afterwards the token is invalid. */
  async logout(): Promise<void> {
    await this.ask('POST', '/logout', {});
  }

  /** Sends an event that is not state. The same `txnId` means the same event. Returns its id. */
  async send(roomId: string, type: string, content: Content, txnId: string = randomUUID()): Promise<string> {
    const sent = await this.ask('PUT', path`/rooms/${roomId}/send/${type}/${txnId}`, content);
    return withEventId.parse(sent).event_id;
  }

  say(roomId: string, body: string, more: Content = {}): Promise<string> {
    return this.send(roomId, 'm.room.message', { msgtype: 'm.text', body, ...more });
  }

  /** Sends it like Element: for clients without threads, as a reply to the `latest` event of the thread. */
  sayInThread(roomId: string, root: string, body: string, latest: string = root): Promise<string> {
    return this.say(roomId, body, { 'm.relates_to': inThread(root, latest, true) });
  }

  /** A reply to this event of the thread. */
  replyInThread(roomId: string, root: string, to: string, body: string): Promise<string> {
    return this.say(roomId, body, { 'm.relates_to': inThread(root, to, false) });
  }

  /** A reply outside of any thread. */
  reply(roomId: string, to: string, body: string): Promise<string> {
    return this.say(roomId, body, { 'm.relates_to': { 'm.in_reply_to': { event_id: to } } });
  }

  edit(roomId: string, eventId: string, body: string): Promise<string> {
    return this.say(roomId, `* ${body}`, {
      'm.new_content': { msgtype: 'm.text', body },
      'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
    });
  }

  react(roomId: string, eventId: string, key: string): Promise<string> {
    return this.send(roomId, 'm.reaction', {
      'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key },
    });
  }

  async redact(roomId: string, eventId: string, reason?: string): Promise<string> {
    const call = path`/rooms/${roomId}/redact/${eventId}/${randomUUID()}`;
    return withEventId.parse(await this.ask('PUT', call, reason ? { reason } : {})).event_id;
  }

  async setState(roomId: string, type: string, content: Content, stateKey = ''): Promise<string> {
    const set = await this.ask('PUT', path`/rooms/${roomId}/state/${type}/${stateKey}`, content);
    return withEventId.parse(set).event_id;
  }

  async state(roomId: string, type: string, stateKey = ''): Promise<Content> {
    const content = await this.ask('GET', path`/rooms/${roomId}/state/${type}/${stateKey}`);
    return z.record(z.string(), z.unknown()).parse(content);
  }

  /** Declares that messages are encrypted from now on; the server does not check it. */
  encrypt(roomId: string): Promise<string> {
    return this.setState(roomId, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' });
  }

  /** The joined members. */
  async members(roomId: string): Promise<string[]> {
    return Object.keys(
      members.parse(await this.ask('GET', path`/rooms/${roomId}/joined_members`)).joined,
    ).toSorted();
  }

  async event(roomId: string, eventId: string): Promise<RoomEvent> {
    return roomEvent.parse(await this.ask('GET', path`/rooms/${roomId}/event/${eventId}`));
  }

  /** A page of the room: `dir` b or f, `from`, `to`, `limit`, `filter`. */
  async messages(roomId: string, query: Record<string, string>, signal?: AbortSignal) {
    const call = `${path`/rooms/${roomId}/messages`}?${new URLSearchParams(query)}`;
    return page.parse(await this.ask('GET', call, undefined, signal));
  }

  /** All visible events of the room, oldest first. */
  async events(roomId: string, signal?: AbortSignal): Promise<RoomEvent[]> {
    const events: RoomEvent[] = [];
    for (let from: string | undefined = ''; from !== undefined; ) {
      const query = { dir: 'f', limit: '1000', ...(from ? { from } : {}) };
      const { chunk, end } = await this.messages(roomId, query, signal);
      events.push(...chunk);
      from = chunk.length > 0 ? end : undefined;
    }
    return events;
  }

  /** Waits for the first event of the room that matches; tolerates a server that is down. */
  async sees(
    roomId: string,
    wanted: (event: RoomEvent) => boolean,
    withinMs = SEEN_WITHIN_MS,
  ): Promise<RoomEvent> {
    const signal = AbortSignal.timeout(withinMs);
    let events: RoomEvent[] = [];
    let since: string | undefined;
    while (!signal.aborted) {
      try {
        const room = { rooms: [roomId], timeline: { limit: 1 } };
        const news = await this.sync({ waitMs: POLL_MS, room, ...(since ? { since } : {}) }, signal);
        since = news.next_batch;
        events = await this.events(roomId, signal);
        const found = events.find(wanted);
        if (found) return found;
      } catch (thrown) {
        if (thrown instanceof Refused) throw thrown;
        await sleep(AGAIN_MS);
      }
    }
    const last = events
      .slice(-10)
      .map(({ type, sender, content }) => JSON.stringify({ type, sender, content }));
    throw new Error(
      `${this.userId} did not see it in ${roomId} within ${withinMs} ms; the last events are\n${last.join('\n')}`,
    );
  }

  /** The changes since `since`, or everything; waits at most this long for a change. */
  async sync(
    options: { since?: string; waitMs?: number; room?: Content } = {},
    signal?: AbortSignal,
  ): Promise<Synced> {
    const { since, waitMs = 0, room = {} } = options;
    // Synapse caches the answer to a request for two minutes, so every request differs.
    const presence = { types: [], not_senders: [`@${randomUUID()}:mx.test`] };
    const filter = JSON.stringify({ room, presence });
    const query = new URLSearchParams({ filter, timeout: `${waitMs}`, ...(since ? { since } : {}) });
    return synced.parse(await this.ask('GET', `/sync?${query}`, undefined, signal));
  }
}

function inThread(root: string, to: string, isFallingBack: boolean): Content {
  return {
    rel_type: 'm.thread',
    event_id: root,
    is_falling_back: isFallingBack,
    'm.in_reply_to': { event_id: to },
  };
}
