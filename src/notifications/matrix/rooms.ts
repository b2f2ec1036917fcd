import { DeliveryError } from '../../delivery-error.ts';
import { messageOf, quote } from '../../errors.ts';
import { TASK_KEY } from '../../matrix/events.ts';
import type { MatrixApi, NewRoom } from '../../matrix/matrix-api.ts';
import { MatrixFailure } from '../../matrix/matrix-failure.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import type { Task } from '../../tasks/task.ts';

const NAME_LIMIT = 60;
/** From this level on people may steer. */
const STEERING_LEVEL = 50;

export interface RoomsOptions {
  api: MatrixApi;
  /** Whose the token has to be. */
  userId: string;
  mode: 'thread' | 'room';
  /** The room for all tasks; absent: one is made. */
  roomId: string | undefined;
  /** Who is invited to every room. */
  observers: readonly string[];
}

/** A room that is ready to be written into, and what did not work out on the way there. */
export interface Room {
  roomId: string;
  remarks: string[];
}

/** The rooms that the bridge writes into: found, made, filled with people, and refused where they are encrypted. */
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

  /** Where the task is told of, with those in it who are to see that. */
  async of(task: Task, signal: AbortSignal): Promise<Room> {
    if (this.#options.mode === 'room') return this.#own(task, signal);
    const { roomId, remarks } = await this.shared(signal);
    const missing = await this.#missing(roomId, task.observers, signal);
    return { roomId, remarks: [...remarks, ...missing.map((userId) => `${userId} is not in this room.`)] };
  }

  /** The one room for all, once it is known. */
  get sharedId(): string | undefined {
    return this.#sharedId;
  }

  /** The one room for all. */
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

  /** Rejects where what is written could be read by the server, although people were promised otherwise. */
  async requirePlain(roomId: string, signal: AbortSignal): Promise<void> {
    await this.#requireAccount(signal);
    let encrypted = this.#encrypted.get(roomId);
    if (encrypted === undefined) {
      encrypted = (await this.#options.api.state(roomId, 'm.room.encryption', signal)) !== undefined;
      this.#encrypted.set(roomId, encrypted);
    }
    if (encrypted) throw new DeliveryError(encryptedText(roomId));
  }

  /** Encryption was turned on there, and cannot be turned off. */
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
        `Matrix: MATRIX_ACCESS_TOKEN is of ${owner}, MATRIX_USER_ID is ${quote(userId)}`,
      );
  }

  async #findShared(signal: AbortSignal): Promise<Room> {
    const { api, roomId, userId, observers } = this.#options;
    if (roomId === undefined) {
      const alias = `opencode-tasks-${localpart(userId)}`;
      const made = await this.#make(
        { name: 'OpenCode tasks', topic: 'What OpenCode works on.', alias },
        signal,
      );
      return { roomId: made, remarks: await this.#people(made, signal) };
    }
    await api.join(roomId, signal);
    await this.requirePlain(roomId, signal);
    const missing = await this.#missing(roomId, observers, signal);
    return { roomId, remarks: await this.#invite(roomId, missing, signal) };
  }

  async #own(task: Task, signal: AbortSignal): Promise<Room> {
    const roomId = await this.#make(
      {
        name: `OpenCode: ${oneLine(task.description, NAME_LIMIT)}`,
        topic: `${task.id} for ${task.agentId}`,
        alias: `opencode-${task.id}`,
        state: { type: TASK_KEY, content: { task_id: task.id } },
      },
      signal,
    );
    const remarks = await this.#people(roomId, signal);
    const named = await this.#missing(roomId, task.observers, signal);
    return { roomId, remarks: [...remarks, ...(await this.#invite(roomId, named, signal))] };
  }

  /** Makes a room, or finds the one that was made already where nobody heard of it. */
  async #make(room: NewRoom & { alias: string }, signal: AbortSignal): Promise<string> {
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
        throw new DeliveryError(`Matrix: the alias ${alias} is of a room that is not the bridge's`, {
          cause: thrown,
        });
      return found;
    }
  }

  /** Brings those in who are to see every task, and lets them steer. */
  async #people(roomId: string, signal: AbortSignal): Promise<string[]> {
    const { observers } = this.#options;
    const remarks = await this.#invite(roomId, await this.#missing(roomId, observers, signal), signal);
    if (observers.length > 0) await this.#empower(roomId, observers, signal);
    return remarks;
  }

  async #empower(roomId: string, userIds: readonly string[], signal: AbortSignal): Promise<void> {
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

  /** One by one: the server refuses all of them together where one is wrong. Answers who could not be. */
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
  return `Matrix: the room ${roomId} is encrypted, and the bridge writes plain text alone. Encryption cannot be turned off: set MATRIX_ROOM_ID to a room without it`;
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
