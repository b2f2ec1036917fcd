import type { Config } from '../../config/config.ts';
import type { MatrixApi } from '../../matrix/matrix-api.ts';
import { powerIn } from '../../matrix/power-levels.ts';
import { type Check, type Finding, failed } from './check.ts';

type Settings = NonNullable<Config['matrix']>;

const WITHOUT_MATRIX = 'Tasks run, but Matrix gets no notifications.';

/** The account and the room of Matrix, where it is on. Only reads. Tasks run without Matrix. */
export const matrix: Check = async ({ matrix: settings }) => {
  if (!settings) return [];
  const { MatrixApi } = await import('../../matrix/matrix-api.ts');
  const api = new MatrixApi(settings);
  const account = await accountOf(api, settings);
  const { mode, roomId, userId } = settings;
  if (account.status !== 'ok' || mode === 'room' || roomId === undefined) return [account];
  return [account, await roomOf(api, roomId, userId)];
};

async function accountOf(api: MatrixApi, { url, userId }: Settings): Promise<Finding> {
  const check = 'Matrix';
  try {
    const owner = await api.whoami();
    if (owner === userId) return { check, status: 'ok', detail: `${url} answers as ${userId}` };
    const next = `Set MATRIX_USER_ID to ${owner}, or MATRIX_ACCESS_TOKEN to a token of ${userId}. ${WITHOUT_MATRIX}`;
    return {
      check,
      status: 'warn',
      detail: `MATRIX_ACCESS_TOKEN belongs to ${owner}, not to ${userId}`,
      next,
    };
  } catch (thrown) {
    const next = `Correct MATRIX_HOMESERVER_URL or MATRIX_ACCESS_TOKEN (docs/matrix.md). ${WITHOUT_MATRIX}`;
    return { ...failed(check, thrown, next), status: 'warn' };
  }
}

async function roomOf(api: MatrixApi, roomId: string, userId: string): Promise<Finding> {
  const check = 'Matrix room';
  try {
    const fault = await faultOf(api, roomId, userId);
    if (!fault) return { check, status: 'ok', detail: `${roomId} is writable` };
    const { detail, next } = fault;
    return { check, status: 'warn', detail: `${roomId} ${detail}`, next: `${next} ${WITHOUT_MATRIX}` };
  } catch (thrown) {
    const next = `Check the homeserver, or correct MATRIX_ROOM_ID. ${WITHOUT_MATRIX}`;
    return { ...failed(check, thrown, next), status: 'warn' };
  }
}

/** Why the account cannot send messages to the room; undefined where it can. */
async function faultOf(api: MatrixApi, roomId: string, userId: string) {
  const filter = { room: { rooms: [roomId], timeline: { limit: 1 }, state: { lazy_load_members: true } } };
  const { rooms } = await api.sync(undefined, 0, filter, new AbortController().signal);
  const invitation = rooms.invite[roomId];
  const isIn = rooms.join[roomId] !== undefined;
  if (!isIn && !invitation) {
    const next = `Invite ${userId} to it, or correct MATRIX_ROOM_ID; a public room is entered when the bridge starts.`;
    return { detail: `has no ${userId}, who is not invited either`, next };
  }
  const encrypted = invitation
    ? invitation.invite_state.events.some(({ type }) => type === 'm.room.encryption')
    : (await api.state(roomId, 'm.room.encryption')) !== undefined;
  if (encrypted) {
    const next = 'Encryption cannot be turned off: set MATRIX_ROOM_ID to a room without it.';
    return { detail: 'is encrypted, and the bridge sends plain text only', next };
  }
  // An invitation does not show the power levels.
  return isIn ? lackOfPower(api, roomId, userId) : undefined;
}

async function lackOfPower(api: MatrixApi, roomId: string, userId: string) {
  const create = await api.stateEvent(roomId, 'm.room.create');
  const levels = powerIn(create, await api.state(roomId, 'm.room.power_levels'));
  const [has, needs] = [levels.of(userId), levels.toSend];
  if (has >= needs) return undefined;
  const next = `Give ${userId} power level ${needs} in the room, or set MATRIX_ROOM_ID to another room.`;
  return { detail: `takes messages from power level ${needs} on, ${userId} has ${has}`, next };
}
