import { z } from 'zod';
import { forbidden, Refusal } from './refusal.ts';
import { type Content, Room } from './room.ts';

const object = z.record(z.string(), z.unknown());
const options = z.object({
  preset: z.enum(['private_chat', 'trusted_private_chat', 'public_chat']).default('private_chat'),
  name: z.string().optional(),
  topic: z.string().optional(),
  room_alias_name: z.string().optional(),
  room_version: z.string().default('11'),
  invite: z.array(z.string()).default([]),
  creation_content: object.default({}),
  power_level_content_override: object.default({}),
  initial_state: z
    .array(z.object({ type: z.string(), state_key: z.string().default(''), content: object }))
    .default([]),
});
type Options = z.infer<typeof options>;

const USER_ID = /^@[^:]+:(.+)$/;

/** The power levels that Synapse gives to a new room. */
const LEVELS = {
  ban: 50,
  events: {
    'm.room.avatar': 50,
    'm.room.canonical_alias': 50,
    'm.room.encryption': 100,
    'm.room.history_visibility': 100,
    'm.room.name': 50,
    'm.room.power_levels': 100,
    'm.room.server_acl': 100,
    'm.room.tombstone': 100,
  },
  events_default: 0,
  invite: 0,
  kick: 50,
  redact: 50,
  state_default: 50,
  users_default: 0,
};

/** Throws for an invalid user id, and for users of other servers, which this one does not know. */
export function checkUserId(userId: string, server: string): void {
  const host = USER_ID.exec(userId)?.[1];
  if (host === undefined) throw new Refusal(400, 'M_INVALID_PARAM', `Invalid user_id: ${userId}`);
  if (host !== server) throw forbidden(`Federation denied with ${host}.`);
}

/** The room that `POST /createRoom` creates, its alias, and the users to invite. */
export function createRoom(
  body: unknown,
  creator: string,
  server: string,
  aliases: ReadonlyMap<string, string>,
  nextPosition: () => number,
): { room: Room; alias: string | undefined; invite: string[] } {
  const wanted = options.parse(body);
  const alias = wanted.room_alias_name === undefined ? undefined : `#${wanted.room_alias_name}:${server}`;
  if (alias && aliases.has(alias)) throw new Refusal(400, 'M_ROOM_IN_USE', 'Room alias already taken');
  const malformed = wanted.invite.find((userId) => !USER_ID.test(userId));
  if (malformed !== undefined) throw new Refusal(400, 'M_UNKNOWN', `Invalid user_id: ${malformed}`);
  const room = new Room(wanted.room_version, creator, server, nextPosition);
  const levels = levelsOf(room, wanted);
  const put = (type: string, content: Content, state_key = '') =>
    room.put({ type, sender: creator, state_key, content });
  put('m.room.create', { ...wanted.creation_content, room_version: room.version });
  put('m.room.member', { displayname: creator.slice(1).split(':')[0], membership: 'join' }, creator);
  put('m.room.power_levels', levels);
  if (alias) put('m.room.canonical_alias', { alias });
  put('m.room.join_rules', { join_rule: wanted.preset === 'public_chat' ? 'public' : 'invite' });
  put('m.room.history_visibility', { history_visibility: 'shared' });
  put('m.room.guest_access', { guest_access: 'can_join' });
  for (const { type, state_key, content } of wanted.initial_state) {
    if (type !== 'm.room.power_levels') put(type, content, state_key);
  }
  if (wanted.name) put('m.room.name', { name: wanted.name });
  if (wanted.topic) put('m.room.topic', { topic: wanted.topic });
  return { room, alias, invite: wanted.invite };
}

/** Given levels replace the default ones; up to room version 11 they must include the creator. */
function levelsOf(room: Room, { power_level_content_override: override, initial_state }: Options): Content {
  const hasMightyCreator = Number(room.version) >= 12;
  const given = initial_state.find(({ type }) => type === 'm.room.power_levels')?.content;
  const levels = given ?? {
    ...LEVELS,
    ...(hasMightyCreator ? { events: { ...LEVELS.events, 'm.room.tombstone': 150 } } : {}),
    users: hasMightyCreator ? {} : { [room.creator]: 100 },
    ...override,
  };
  const users = room.levelsOf(levels);
  if (!hasMightyCreator && !given && !(room.creator in users)) {
    const why = `'users' did not contain ${room.creator}`;
    throw new Refusal(400, 'M_UNKNOWN', `Not a valid power_level_content_override: ${why}`);
  }
  return levels;
}
