import { DeliveryError } from '../../delivery-error.ts';
import { messageOf, quote } from '../../errors.ts';
import { TASK_KEY } from '../../matrix/events.ts';
import type { MatrixApi, NewRoom } from '../../matrix/matrix-api.ts';
import { MatrixFailure } from '../../matrix/matrix-failure.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import type { Task } from '../../tasks/task.ts';

const NAME_LIMIT = 60;
/** The power level that is required to steer tasks. */
const STEERING_LEVEL = 50;

export interface RoomsOptions {
  api: MatrixApi;
  /** The account that the token must belong to. */
  userId: string;
  mode: 'thread' | 'room';
  /** The shared room; absent: the bridge creates one. */
  roomId: string | undefined;
  /** The users to invite to every room. */
  observers: readonly string[];
}

/** A room that is ready, with the problems of its preparation. */
export interface Room {
  roomId: string;
  remarks: string[];
}

/** Finds or creates the rooms of the bridge, invites people, and refuses encrypted rooms. */
export class Rooms {
  readonly #options: RoomsOptions;
  readonly #encrypted = new Map<string, boolean>();
  #account: Promise<void> | undefined;
  #shared: Promise<Room> | undefined;
  #sharedId: string | undefined;

  constructor(options: RoomsOptions) {
    const observers = options.observers.filter((userId) => userId !== options.userId);
    this.#options = { ...options, observers };
  }

  /** The room of a task, with its observers invited. */
  async of(task: Task, signal: AbortSignal): Promise<Room> {
    if (this.#options.mode === 'room') return this.#own(task, signal);
    const { roomId, remarks } = await this.shared(signal);
    const missing = await this.#missing(roomId, task.observers, signal);
    return { roomId, remarks: [...remarks, ...missing.map((userId) => `${userId} is not in this room.`)] };
  }

  /** The id of the shared room, once it is known. */
  get sharedId(): string | undefined {
    return this.#sharedId;
  }

  /** The shared room of all tasks. */
  async shared(signal: AbortSignal): Promise<Room> {
    this.#shared ??= this.#findShared(signal);
    try {
      const room = await this.#shared;
      this.#sharedId = room.roomId;
      return room;
    } catch (thrown) {
      this.#shared = undefined;
      throw thrown;
    }
  }

  /** Rejects for an encrypted room: the bridge sends plain text, which people do not expect there. */
  async requireUnencrypted(roomId: string, signal: AbortSignal): Promise<void> {
    await this.#requireAccount(signal);
    let encrypted = this.#encrypted.get(roomId);
    if (encrypted === undefined) {
      encrypted = (await this.#options.api.state(roomId, 'm.room.encryption', signal)) !== undefined;
      this.#encrypted.set(roomId, encrypted);
    }
    if (encrypted) throw new DeliveryError(encryptedText(roomId));
  }

  /** Encryption of a room cannot be turned off again. */
  becameEncrypted(roomId: string): void {
    this.#encrypted.set(roomId, true);
  }

  #requireAccount(signal: AbortSignal): Promise<void> {
    this.#account ??= this.#checkAccount(signal);
    return this.#account.catch((thrown: unknown) => {
      this.#account = undefined;
      throw thrown;
    });
  }

  async #checkAccount(signal: AbortSignal): Promise<void> {
    const { api, userId } = this.#options;
    const owner = await api.whoami(signal);
    if (owner !== userId)
      throw new DeliveryError(
        `Matrix: MATRIX_ACCESS_TOKEN belongs to ${owner}, MATRIX_USER_ID is ${quote(userId)}`,
      );
  }

  async #findShared(signal: AbortSignal): Promise<Room> {
    const { api, roomId, userId, observers } = this.#options;
    if (roomId === undefined) {
      const alias = `opencode-tasks-${localpart(userId)}`;
      const created = await this.#create(
        { name: 'OpenCode tasks', topic: 'Tasks of OpenCode.', alias },
        signal,
      );
      return { roomId: created, remarks: await this.#admitObservers(created, signal) };
    }
    await api.join(roomId, signal);
    await this.requireUnencrypted(roomId, signal);
    const missing = await this.#missing(roomId, observers, signal);
    return { roomId, remarks: await this.#invite(roomId, missing, signal) };
  }

  async #own(task: Task, signal: AbortSignal): Promise<Room> {
    const roomId = await this.#create(
      {
        name: `OpenCode: ${oneLine(task.description, NAME_LIMIT)}`,
        topic: `${task.id} for ${task.agentId}`,
        alias: `opencode-${task.id}`,
        state: { type: TASK_KEY, content: { task_id: task.id } },
      },
      signal,
    );
    const remarks = await this.#admitObservers(roomId, signal);
    const named = await this.#missing(roomId, task.observers, signal);
    return { roomId, remarks: [...remarks, ...(await this.#invite(roomId, named, signal))] };
  }

  /** Creates a room, or finds it by its alias where an earlier call created it but its answer was lost. */
  async #create(room: NewRoom & { alias: string }, signal: AbortSignal): Promise<string> {
    const { api, userId } = this.#options;
    await this.#requireAccount(signal);
    try {
      return await api.createRoom(room, signal);
    } catch (thrown) {
      if (!(thrown instanceof MatrixFailure && thrown.errcode === 'M_ROOM_IN_USE')) throw thrown;
      const alias = `#${room.alias}:${userId.slice(userId.indexOf(':') + 1)}`;
      const found = await api.roomOf(alias, signal);
      const by = found && (await api.stateEvent(found, 'm.room.create', signal))?.sender;
      if (found === undefined || by !== userId)
        throw new DeliveryError(
          `Matrix: the alias ${alias} belongs to a room that the bridge did not create`,
          {
            cause: thrown,
          },
        );
      return found;
    }
  }

  /** Invites the observers of all tasks and lets them steer. */
  async #admitObservers(roomId: string, signal: AbortSignal): Promise<string[]> {
    const { observers } = this.#options;
    const remarks = await this.#invite(roomId, await this.#missing(roomId, observers, signal), signal);
    if (observers.length > 0) await this.#grantSteering(roomId, observers, signal);
    return remarks;
  }

  async #grantSteering(roomId: string, userIds: readonly string[], signal: AbortSignal): Promise<void> {
    const { api } = this.#options;
    const levels = levelsOf(await api.state(roomId, 'm.room.power_levels', signal));
    const raised = userIds.filter((userId) => levels.users[userId] === undefined);
    if (raised.length === 0) return;
    const users = Object.fromEntries(raised.map((userId) => [userId, STEERING_LEVEL]));
    const content = { ...levels, users: { ...levels.users, ...users } };
    await api.setState(roomId, 'm.room.power_levels', content, signal);
  }

  async #missing(roomId: string, userIds: readonly string[], signal: AbortSignal): Promise<string[]> {
    if (userIds.length === 0) return [];
    const members = await this.#options.api.members(roomId, signal);
    return userIds.filter((userId) => !members.has(userId));
  }

  /** Invites one by one, because one wrong user id fails a whole call. Returns the failures. */
  async #invite(roomId: string, userIds: readonly string[], signal: AbortSignal): Promise<string[]> {
    const remarks: string[] = [];
    for (const userId of userIds) {
      try {
        await this.#options.api.invite(roomId, userId, signal);
      } catch (thrown) {
        if (!(thrown instanceof MatrixFailure && thrown.status !== undefined && !thrown.limited))
          throw thrown;
        remarks.push(`${userId} could not be invited: ${messageOf(thrown)}`);
      }
    }
    return remarks;
  }
}

function encryptedText(roomId: string): string {
  return `Matrix: the room ${roomId} is encrypted, and the bridge sends plain text only. Encryption cannot be turned off: set MATRIX_ROOM_ID to a room without it`;
}

function localpart(userId: string): string {
  return userId.slice(1, userId.indexOf(':'));
}

function levelsOf(content: unknown): { users: Record<string, unknown> } {
  const levels = typeof content === 'object' && content !== null ? content : {};
  const users =
    'users' in levels && typeof levels.users === 'object' && levels.users !== null ? levels.users : {};
  return { ...levels, users: { ...users } };
}
