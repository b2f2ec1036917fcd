import { z } from 'zod';
import type { MatrixApi } from '../matrix-api.ts';

/** Who may moderate a room may steer. */
const NEEDED = 50;
/** From this version of rooms on their creators stand above all power levels, and are not named in them. */
const CREATORS_ABOVE = 12;

const powerLevels = z.object({
  // Numbers in quotes are allowed in old rooms.
  users: z.record(z.string(), z.coerce.number().catch(0)).catch({}),
  users_default: z.coerce.number().catch(0),
});
const creation = z.object({
  room_version: z.string().catch('1'),
  additional_creators: z.array(z.string()).catch([]),
});

/** Says who may steer tasks from a room, by its power levels as they are when asked. */
export class Authority {
  readonly #api: Pick<MatrixApi, 'stateEvent'>;
  readonly #allowed: ReadonlySet<string>;

  constructor(api: Pick<MatrixApi, 'stateEvent'>, allowedSenders: readonly string[]) {
    this.#api = api;
    this.#allowed = new Set(allowedSenders);
  }

  async allows(userId: string, roomId: string, signal: AbortSignal): Promise<boolean> {
    if (this.#allowed.has(userId)) return true;
    const [levels, create] = await Promise.all([
      this.#api.stateEvent(roomId, 'm.room.power_levels', signal),
      this.#api.stateEvent(roomId, 'm.room.create', signal),
    ]);
    const { room_version, additional_creators } = creation.parse(create?.content ?? {});
    const creators = create ? [create.sender, ...additional_creators] : [];
    const isCreator = creators.includes(userId);
    if (isCreator && (Number(room_version) >= CREATORS_ABOVE || !levels)) return true;
    const { users, users_default } = powerLevels.parse(levels?.content ?? {});
    return (Object.hasOwn(users, userId) ? (users[userId] ?? 0) : users_default) >= NEEDED;
  }
}
