import { z } from 'zod';
import { Refusal } from './refusal.ts';
import type { Room, StoredEvent } from './room.ts';

const eventFilter = z.object({
  limit: z.number().int().min(1).default(10),
  types: z.array(z.string()).optional(),
  not_types: z.array(z.string()).default([]),
  senders: z.array(z.string()).optional(),
  not_senders: z.array(z.string()).default([]),
});
const syncFilter = z.object({
  room: z
    .object({
      rooms: z.array(z.string()).optional(),
      not_rooms: z.array(z.string()).default([]),
      timeline: eventFilter.prefault({}),
      state: eventFilter.prefault({}),
    })
    .prefault({}),
});
type EventFilter = z.infer<typeof eventFilter>;
export type SyncFilter = z.infer<typeof syncFilter>;

const STRIPPED = ['create', 'name', 'avatar', 'topic', 'join_rules', 'canonical_alias', 'encryption'];

export function readSyncFilter(json: string | null): SyncFilter {
  return parseFilter(syncFilter, json);
}

function parseFilter<T>(schema: z.ZodType<T>, json: string | null): T {
  try {
    return schema.parse(JSON.parse(json ?? '{}'));
  } catch (cause) {
    throw new Refusal(400, 'M_INVALID_PARAM', `Invalid filter JSON: ${cause}`);
  }
}

const token = (position: number): string => `s${position}`;

/** The position of a token. */
export function position(given: string | null): number | undefined {
  if (!given) return undefined;
  const digits = /^s(\d+)$/.exec(given)?.[1];
  if (digits === undefined) throw new Refusal(400, 'M_UNKNOWN', 'Invalid stream token');
  return Number(digits);
}

function matches(event: StoredEvent, filter: EventFilter): boolean {
  const isOf = (patterns: string[], type: string) =>
    patterns.some((pattern) =>
      pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern,
    );
  if (filter.types && !isOf(filter.types, event.type)) return false;
  if (filter.senders && !filter.senders.includes(event.sender)) return false;
  return !isOf(filter.not_types, event.type) && !filter.not_senders.includes(event.sender);
}

/** An event as its reader gets it; the sender, by token, also gets the transaction id. */
export function shown(event: StoredEvent, reader: string): Record<string, unknown> {
  const { position: _, txn, before, redactedBy, ...fields } = event;
  return {
    ...fields,
    unsigned: {
      age: Date.now() - event.origin_server_ts,
      ...(txn?.token === reader ? { transaction_id: txn.id } : {}),
      ...(before ? { replaces_state: before.event_id, prev_content: before.content } : {}),
      ...(redactedBy ? { redacted_because: shown(redactedBy, reader) } : {}),
    },
  };
}

/** `GET /messages`: a page of the room in one direction. */
export function messages(room: Room, userId: string, reader: string, query: URLSearchParams): object {
  const isForward = query.get('dir') === 'f';
  const last = Math.min(room.readableBy(userId), room.events.at(-1)?.position ?? 0);
  const from = position(query.get('from')) ?? (isForward ? 0 : last);
  const to = position(query.get('to'));
  const filter = parseFilter(eventFilter, query.get('filter'));
  const limit = Number(query.get('limit') ?? filter.limit);
  const [after, upTo] = isForward ? [from, Math.min(to ?? last, last)] : [to ?? 0, Math.min(from, last)];
  const all = room.events.filter(
    (event) => event.position > after && event.position <= upTo && matches(event, filter),
  );
  const chunk = (isForward ? all : all.toReversed()).slice(0, limit);
  const end = chunk.at(-1)?.position;
  return {
    chunk: chunk.map((event) => ({ ...shown(event, reader), room_id: room.id })),
    start: token(from),
    ...(end === undefined ? {} : { end: token(isForward ? end : end - 1) }),
  };
}

/** `GET /sync`: the changes since a position, or everything without one; undefined where there are none. */
export function news(
  rooms: Iterable<Room>,
  userId: string,
  reader: string,
  since: number | undefined,
  now: number,
  { room: filter }: SyncFilter,
): object | undefined {
  const found: Record<string, Record<string, unknown>> = {};
  for (const room of rooms) {
    if (filter.not_rooms.includes(room.id) || (filter.rooms && !filter.rooms.includes(room.id))) continue;
    const membership = room.membership(userId) ?? '';
    const entry = read[membership]?.(room, userId, reader, since, now, filter);
    if (entry) found[membership] = { ...found[membership], [room.id]: entry };
  }
  return Object.keys(found).length > 0 ? { next_batch: token(now), rooms: found } : undefined;
}

export const nothing = (now: number): object => ({ next_batch: token(now) });

type Read = (
  room: Room,
  userId: string,
  reader: string,
  since: number | undefined,
  now: number,
  filter: SyncFilter['room'],
) => object | undefined;

/** The part of a sync about one room, by membership. */
const read: Record<string, Read> = {
  invite(room, userId, reader, since = 0) {
    const invite = room.state('m.room.member', userId);
    if (!invite || invite.position <= since) return undefined;
    const state = STRIPPED.flatMap((name) => room.state(`m.room.${name}`) ?? []);
    const stripped = [...state, invite].map(({ type, sender, content, state_key }) => ({
      type,
      sender,
      content,
      state_key,
    }));
    return {
      invite_state: { events: [...stripped.slice(0, -1), { ...stripped.at(-1), ...shown(invite, reader) }] },
    };
  },
  join(room, userId, reader, since, now, filter) {
    const isNew = since === undefined || room.membership(userId, since) !== 'join';
    return part(room, reader, isNew ? undefined : since, now, filter);
  },
  leave(room, userId, reader, since, _now, filter) {
    const leave = room.state('m.room.member', userId);
    if (!leave || since === undefined || leave.position <= since) return undefined;
    const wasIn = room.membership(userId, leave.position - 1) === 'join';
    return part(room, reader, wasIn ? since : leave.position - 1, leave.position, filter);
  },
};

/** The timeline of a room after `since`, and the state that is not part of it. */
function part(
  room: Room,
  reader: string,
  since: number | undefined,
  now: number,
  filter: SyncFilter['room'],
): object | undefined {
  const fresh = room.events.filter(({ position }) => position > (since ?? 0) && position <= now);
  if (fresh.length === 0 && since !== undefined) return undefined;
  const wanted = fresh.filter((event) => matches(event, filter.timeline));
  const timeline = wanted.slice(-filter.timeline.limit);
  const start = timeline[0]?.position ?? now + 1;
  const state = new Set([...room.stateAt(start), ...room.stateAt(now)]);
  const untold = [...state].filter(
    (event) => event.position > (since ?? 0) && !timeline.includes(event) && matches(event, filter.state),
  );
  if (timeline.length === 0 && untold.length === 0 && since !== undefined) return undefined;
  return {
    timeline: {
      events: timeline.map((event) => shown(event, reader)),
      limited: wanted.length > timeline.length,
      prev_batch: token(start - 1),
    },
    state: { events: untold.map((event) => shown(event, reader)) },
    account_data: { events: [] },
    ephemeral: { events: [] },
    unread_notifications: {},
    summary: {},
  };
}
