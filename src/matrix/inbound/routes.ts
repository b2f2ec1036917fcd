import { z } from 'zod';
import { type MatrixEvent, TASK_KEY, type TaskMark, taskMark } from '../events.ts';
import type { MatrixApi } from '../matrix-api.ts';
import { type IncomingMessage, threadOf } from './incoming-message.ts';

const REMEMBERED = 1_000;

/** What something was said about, and where an answer belongs. */
export interface Route {
  taskId?: string | undefined;
  requestId?: string | undefined;
  /** The root of the thread in which to answer; absent outside of threads. */
  thread?: string | undefined;
}

export interface RoutesOptions {
  api: Pick<MatrixApi, 'event' | 'stateEvent'>;
  /** Whose marks are believed. */
  userId: string;
  /** `thread`: one room for all tasks. `room`: each task's room is marked as its own. */
  mode: 'thread' | 'room';
  /** The one room, once it is known. */
  roomId: () => string | undefined;
}

/** A message, as far as it says what it is about. */
interface Known {
  mark?: TaskMark | undefined;
  thread?: string | undefined;
}

const roomMark = z.object({ task_id: z.string() });

/** Finds out by the marks on messages and rooms of ours which task somebody speaks of. */
export class Routes {
  readonly #options: RoutesOptions;
  readonly #messages = new Map<string, Promise<Known>>();
  readonly #rooms = new Map<string, Promise<string | undefined>>();

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  /** Whether tasks are told of in a room. */
  async isOurs(roomId: string, signal: AbortSignal): Promise<boolean> {
    if (this.#options.mode === 'thread') return roomId === this.#options.roomId();
    return (await this.#taskOf(roomId, signal)) !== undefined;
  }

  /** Undefined for what was said in a room that is not ours. */
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
    // What is not in a thread of ours is the root of one.
    return { taskId, requestId: about?.request_id, thread: inside ?? (isRoom || !about ? undefined : to) };
  }

  #taskOf(roomId: string, signal: AbortSignal): Promise<string | undefined> {
    return remembered(this.#rooms, roomId, async () => {
      const event = await this.#options.api.stateEvent(roomId, TASK_KEY, signal);
      return event && this.#isOwn(event) ? roomMark.safeParse(event.content).data?.task_id : undefined;
    });
  }

  async #message(roomId: string, id: string | undefined, signal: AbortSignal): Promise<Known | undefined> {
    if (id === undefined) return undefined;
    return remembered(this.#messages, id, async () => {
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

/** What is asked for once; anew only where the asking failed. */
function remembered<T>(found: Map<string, Promise<T>>, key: string, look: () => Promise<T>): Promise<T> {
  const known = found.get(key);
  if (known) return known;
  const value = look();
  value.catch(() => found.delete(key));
  found.set(key, value);
  const [oldest] = found.keys();
  if (found.size > REMEMBERED && oldest !== undefined) found.delete(oldest);
  return value;
}
