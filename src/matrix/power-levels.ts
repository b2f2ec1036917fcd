import { z } from 'zod';
import type { MatrixEvent } from './events.ts';

/** From this version of rooms on their creators stand above all levels, and are not named among them. */
const CREATORS_ABOVE = 12;
/** Of the creator of a room without levels. */
const CREATOR = 100;

// Numbers in quotes are allowed in old rooms; what is none counts as nothing.
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

/** What people may do in a room. */
export interface Power {
  of(userId: string): number;
  /** What it takes to write a message. */
  readonly toWrite: number;
}

/** By the room's `m.room.create`, and the content of its `m.room.power_levels` where it has them. */
export function powerIn(create: MatrixEvent | undefined, content: unknown): Power {
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
    toWrite: events['m.room.message'] ?? events_default,
  };
}
