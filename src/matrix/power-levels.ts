import { z } from 'zod';
import type { MatrixEvent } from './events.ts';

/** From this room version on, creators are above all power levels and not listed in them. */
const CREATORS_ABOVE = 12;
/** The level of the creator in a room without power levels. */
const CREATOR = 100;

// Old rooms may have numbers as strings; anything else counts as 0.
const level = z.coerce.number().catch(0);
const levelsSchema = z.object({
  users: z.record(z.string(), level).catch({}),
  users_default: level,
  events: z.record(z.string(), level).catch({}),
  events_default: level,
});
const createSchema = z.object({
  room_version: z.string().catch('1'),
  additional_creators: z.array(z.string()).catch([]),
});

/** The power levels of a room. */
export interface PowerLevels {
  of(userId: string): number;
  /** The level that is required to send a message. */
  readonly toSend: number;
}

/** Reads the room's `m.room.create`, and the content of its `m.room.power_levels` where it has them. */
export function powerIn(create: MatrixEvent | undefined, content: unknown): PowerLevels {
  const { room_version, additional_creators } = createSchema.parse(create?.content ?? {});
  const creators = create ? [create.sender, ...additional_creators] : [];
  const { users, users_default, events, events_default } = levelsSchema.parse(content ?? {});
  return {
    of(userId) {
      const creator = creators.includes(userId);
      if (creator && Number(room_version) >= CREATORS_ABOVE) return Number.POSITIVE_INFINITY;
      if (creator && content === undefined) return CREATOR;
      return Object.hasOwn(users, userId) ? (users[userId] ?? 0) : users_default;
    },
    toSend: events['m.room.message'] ?? events_default,
  };
}
