import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { forbidden, notFound, Refusal } from './refusal.ts';

export type Content = Record<string, unknown>;

/** An event as the server stores it. */
export interface StoredEvent {
  event_id: string;
  type: string;
  sender: string;
  origin_server_ts: number;
  content: Content;
  state_key?: string;
  redacts?: string;
  /** Its position among all events of the server, from 1. */
  position: number;
  /** Its transaction id, and the token of that. */
  txn?: { token: string; id: string };
  /** The state that it replaced. */
  before?: StoredEvent;
  redactedBy?: StoredEvent;
}

export type Draft = Pick<StoredEvent, 'type' | 'sender' | 'content'> &
  Partial<Pick<StoredEvent, 'state_key' | 'redacts' | 'txn'>>;

const MAX_EVENT_BYTES = 65_536;
/** The fields that a server adds to an event: ids of others, hashes, a signature. */
const OVERHEAD_BYTES = 700;
const KEEP_WHEN_REDACTED: Record<string, readonly string[]> = {
  'm.room.member': ['membership'],
  'm.room.join_rules': ['join_rule'],
};

const level = z.number();
const levelsSchema = z.object({
  users: z.record(z.string(), level).default({}),
  users_default: level.default(0),
  events: z.record(z.string(), level).default({}),
  events_default: level.default(0),
  state_default: level.default(50),
  invite: level.default(0),
  kick: level.default(50),
  ban: level.default(50),
  redact: level.default(50),
});
const relation = z.object({
  'm.relates_to': z.object({ rel_type: z.string(), event_id: z.string(), key: z.string().optional() }),
});

/** A room: its events in order, and the rules for adding events. */
export class Room {
  readonly id: string;
  readonly version: string;
  readonly creator: string;
  readonly events: StoredEvent[] = [];
  readonly #state = new Map<string, StoredEvent>();
  readonly #nextPosition: () => number;

  constructor(version: string, creator: string, server: string, nextPosition: () => number) {
    this.version = version;
    this.creator = creator;
    this.id = this.#hasMightyCreator ? `!${eventHash()}` : `!${eventHash().slice(0, 18)}:${server}`;
    this.#nextPosition = nextPosition;
  }

  /** From version 12 on, the creator may do everything and is not listed in the power levels. */
  get #hasMightyCreator(): boolean {
    return Number(this.version) >= 12;
  }

  state(type: string, stateKey = ''): StoredEvent | undefined {
    return this.#state.get(`${type}\0${stateKey}`);
  }

  /** The state after this position. */
  stateAt(position: number): StoredEvent[] {
    const state = new Map<string, StoredEvent>();
    for (const event of this.events) {
      if (event.state_key === undefined || event.position > position) continue;
      state.set(`${event.type}\0${event.state_key}`, event);
    }
    return [...state.values()];
  }

  membership(userId: string, position = Number.POSITIVE_INFINITY): string | undefined {
    let event = this.state('m.room.member', userId);
    while (event && event.position > position) event = event.before;
    return z.string().optional().parse(event?.content.membership);
  }

  /** The users with this membership. */
  members(membership: string): string[] {
    const users = [...this.#state.values()].flatMap(({ type, state_key }) =>
      type === 'm.room.member' && state_key !== undefined ? [state_key] : [],
    );
    return users.filter((userId) => this.membership(userId) === membership);
  }

  /** How far this user may read: to the end, or until they left. */
  readableBy(userId: string): number {
    const last = this.#readable(userId);
    if (last === 0) throw forbidden(`User ${userId} not in room ${this.id}, and room previews are disabled`);
    return last;
  }

  #readable(userId: string): number {
    if (this.membership(userId) === 'join') return Number.POSITIVE_INFINITY;
    const leave = this.state('m.room.member', userId);
    return leave?.before?.content.membership === 'join' ? leave.position : 0;
  }

  /** The state event with the same content, if there is one. */
  same({ type, sender, state_key = '', content }: Draft): StoredEvent | undefined {
    const event = this.state(type, state_key);
    return event?.sender === sender && isDeepStrictEqual(event.content, content) ? event : undefined;
  }

  event(eventId: string, userId: string): StoredEvent {
    const event = this.events.find(({ event_id }) => event_id === eventId);
    if (!event || event.position > this.#readable(userId)) throw notFound('Event');
    return event;
  }

  /** Adds an event after checking its sender. */
  add(draft: Draft): StoredEvent {
    if (this.membership(draft.sender) !== 'join') {
      throw forbidden(`User ${draft.sender} not in room ${this.id}`);
    }
    const { events, events_default, state_default } = this.#levels;
    this.#demand(
      draft.sender,
      events[draft.type] ?? (draft.state_key === undefined ? events_default : state_default),
    );
    if (draft.type === 'm.room.power_levels') this.#checkLevels(draft);
    if (draft.type === 'm.room.message') checkMessage(draft.content);
    this.#checkRelation(draft);
    return this.put(draft);
  }

  /** Adds an event without that check: the first events of a room, and memberships. */
  put(draft: Draft): StoredEvent {
    const before = draft.state_key === undefined ? undefined : this.state(draft.type, draft.state_key);
    if (Buffer.byteLength(JSON.stringify(draft)) + OVERHEAD_BYTES > MAX_EVENT_BYTES) {
      throw new Refusal(413, 'M_TOO_LARGE', 'event too large');
    }
    const event: StoredEvent = {
      ...draft,
      event_id: `$${eventHash()}`,
      origin_server_ts: Date.now(),
      position: this.#nextPosition(),
      ...(before ? { before } : {}),
    };
    this.events.push(event);
    if (event.state_key !== undefined) this.#state.set(`${event.type}\0${event.state_key}`, event);
    return event;
  }

  invite(sender: string, userId: string): void {
    if (this.membership(sender) !== 'join') throw forbidden(`User ${sender} not in room ${this.id}`);
    this.#demand(sender, this.#levels.invite);
    if (this.membership(userId) === 'join') throw forbidden(`${userId} is already in the room.`);
    this.#setMembership(sender, userId, 'invite');
  }

  join(userId: string): void {
    const membership = this.membership(userId);
    if (membership === 'join') return;
    const isPublic = this.state('m.room.join_rules')?.content.join_rule === 'public';
    if (membership !== 'invite' && !isPublic) throw forbidden('You are not invited to this room.');
    this.#setMembership(userId, userId, 'join');
  }

  leave(userId: string): void {
    const membership = this.membership(userId);
    if (membership === undefined) throw forbidden(`User ${userId} not in room ${this.id}`);
    if (membership !== 'leave') this.#setMembership(userId, userId, 'leave');
  }

  kick(sender: string, userId: string, reason: string | undefined): void {
    if (!['join', 'invite'].includes(this.membership(userId) ?? '')) {
      throw forbidden('The target user is not in the room');
    }
    const power = this.#power(sender);
    if (this.membership(sender) !== 'join' || power < this.#levels.kick || power <= this.#power(userId)) {
      throw forbidden(`You cannot kick user ${userId}.`);
    }
    this.#setMembership(sender, userId, 'leave', reason);
  }

  redact(draft: Draft & { redacts: string }): StoredEvent {
    const target = this.event(draft.redacts, draft.sender);
    if (target.sender !== draft.sender && this.#power(draft.sender) < this.#levels.redact) {
      throw forbidden("You don't have permission to redact events");
    }
    const redaction = this.add(draft);
    const kept = KEEP_WHEN_REDACTED[target.type] ?? [];
    target.content = Object.fromEntries(Object.entries(target.content).filter(([key]) => kept.includes(key)));
    target.redactedBy = redaction;
    return redaction;
  }

  #setMembership(sender: string, userId: string, membership: string, reason?: string): void {
    const displayname = userId.slice(1).split(':')[0];
    const content = {
      ...(membership === 'leave' ? {} : { displayname }),
      membership,
      ...(reason ? { reason } : {}),
    };
    this.put({ type: 'm.room.member', sender, state_key: userId, content });
  }

  get #levels() {
    return levelsSchema.parse(this.state('m.room.power_levels')?.content ?? {});
  }

  #power(userId: string): number {
    if (this.#hasMightyCreator && userId === this.creator) return Number.POSITIVE_INFINITY;
    const { users, users_default } = this.#levels;
    return users[userId] ?? users_default;
  }

  #demand(userId: string, needed: number): void {
    const power = this.#power(userId);
    if (power >= needed) return;
    const levels = `user_level (${power}) < send_level (${needed})`;
    throw forbidden(`You don't have permission to post that to the room. ${levels}`);
  }

  #checkLevels({ sender, content }: Draft): void {
    const users = this.levelsOf(content);
    const power = this.#power(sender);
    for (const [userId, level] of Object.entries(users)) {
      if (level > power) throw forbidden(`You don't have permission to give ${userId} more than you have.`);
    }
  }

  /** The user levels of m.room.power_levels, which must not list a creator of version 12. */
  levelsOf(content: Content): Record<string, number> {
    const { users } = levelsSchema.parse(content);
    if (this.#hasMightyCreator && this.creator in users) {
      throw new Refusal(400, 'M_UNKNOWN', `Creator user ${this.creator} must not appear in content.users`);
    }
    return users;
  }

  #checkRelation({ type, sender, content }: Draft): void {
    const parsed = relation.safeParse(content);
    if (!parsed.success) return;
    const { rel_type, event_id, key } = parsed.data['m.relates_to'];
    if (!this.events.some((event) => event.event_id === event_id)) {
      throw new Refusal(400, 'M_UNKNOWN', "Can't send relation to unknown event");
    }
    if (rel_type !== 'm.annotation') return;
    const isSame = (event: StoredEvent): boolean => {
      const its = relation.safeParse(event.content).data?.['m.relates_to'];
      return event.type === type && event.sender === sender && its?.event_id === event_id && its.key === key;
    };
    if (this.events.some(isSame)) {
      throw new Refusal(400, 'M_DUPLICATE_ANNOTATION', "Can't send same reaction twice");
    }
  }
}

function checkMessage(content: Content): void {
  for (const key of ['body', 'msgtype']) {
    if (typeof content[key] !== 'string') throw new Refusal(400, 'M_UNKNOWN', `'${key}' not in content`);
  }
}

function eventHash(): string {
  return randomBytes(32).toString('base64url');
}
