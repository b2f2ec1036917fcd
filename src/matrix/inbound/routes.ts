import { z } from 'zod';
import { type MatrixEvent, TASK_KEY, type TaskMark, taskMark } from '../events.ts';
import type { MatrixApi } from '../matrix-api.ts';
import { type IncomingMessage, threadOf } from './incoming-message.ts';

const MAX_CACHED = 1_000;

/** What a message is about, and where the reply belongs. */
export interface Route {
  taskId?: string | undefined;
  requestId?: string | undefined;
  /** The root of the thread for the reply; absent outside of threads. */
  thread?: string | undefined;
}

export interface RoutesOptions {
  api: Pick<MatrixApi, 'event' | 'stateEvent'>;
  /** The account whose marks are trusted. */
  userId: string;
  /** `thread`: one room for all tasks. `room`: a room for each task, with a mark in its state. */
  mode: 'thread' | 'room';
  /** The room of thread mode, once it is known. */
  roomId: () => string | undefined;
}

/** What a message of the room is about. */
interface MessageContext {
  mark?: TaskMark | undefined;
  thread?: string | undefined;
}

const roomMark = z.object({ task_id: z.string() });

/** Finds the task of a message by the marks on the bridge's own messages and rooms. */
export class Routes {
  readonly #options: RoutesOptions;
  readonly #messages = new Map<string, Promise<MessageContext>>();
  readonly #rooms = new Map<string, Promise<string | undefined>>();

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  /** Whether a room is one of the bridge's. */
  async isOurs(roomId: string, signal: AbortSignal): Promise<boolean> {
    if (this.#options.mode === 'thread') return roomId === this.#options.roomId();
    return (await this.#taskOf(roomId, signal)) !== undefined;
  }

  /** Undefined for a message in a room that is not the bridge's. */
  async find(
    roomId: string,
    { thread, to }: IncomingMessage,
    signal: AbortSignal,
  ): Promise<Route | undefined> {
    if (!(await this.isOurs(roomId, signal))) return undefined;
    const isRoom = this.#options.mode === 'room';
    const target = await this.#message(roomId, to, signal);
    const inside = thread ?? target?.thread;
    const root = isRoom ? undefined : await this.#message(roomId, inside, signal);
    const taskId = isRoom ? await this.#taskOf(roomId, signal) : (root ?? target)?.mark?.task_id;
    const about = target?.mark?.task_id === taskId ? target?.mark : undefined;
    // A marked message outside a thread is the root of one.
    return { taskId, requestId: about?.request_id, thread: inside ?? (isRoom || !about ? undefined : to) };
  }

  #taskOf(roomId: string, signal: AbortSignal): Promise<string | undefined> {
    return cached(this.#rooms, roomId, async () => {
      const event = await this.#options.api.stateEvent(roomId, TASK_KEY, signal);
      return event && this.#isOwn(event) ? roomMark.safeParse(event.content).data?.task_id : undefined;
    });
  }

  async #message(
    roomId: string,
    id: string | undefined,
    signal: AbortSignal,
  ): Promise<MessageContext | undefined> {
    if (id === undefined) return undefined;
    return cached(this.#messages, id, async () => {
      const event = await this.#options.api.event(roomId, id, signal);
      if (!event) return {};
      const mark = this.#isOwn(event) ? taskMark.safeParse(event.content[TASK_KEY]).data : undefined;
      return { mark, thread: threadOf(event.content) };
    });
  }

  #isOwn({ sender }: MatrixEvent): boolean {
    return sender === this.#options.userId;
  }
}

/** Caches lookups by key, except those that fail. */
function cached<T>(cache: Map<string, Promise<T>>, key: string, look: () => Promise<T>): Promise<T> {
  const known = cache.get(key);
  if (known) return known;
  const value = look();
  value.catch(() => cache.delete(key));
  cache.set(key, value);
  const [oldest] = cache.keys();
  if (cache.size > MAX_CACHED && oldest !== undefined) cache.delete(oldest);
  return value;
}
