import { type Clock, SYSTEM_CLOCK } from '../../clock.ts';
import type { DependencyHealth } from '../../health.ts';
import type { Logger } from '../../logger.ts';
import type { MatrixApi } from '../matrix-api.ts';
import type { RateLimitedSender } from '../rate-limited-sender.ts';
import { Authority } from './authority.ts';
import { CommandHandler } from './command-handler.ts';
import { Inbox } from './inbox.ts';
import type { InboxMessage, InboxStore } from './inbox-entry.ts';
import { parseMessage } from './incoming-message.ts';
import { Listener } from './listener.ts';
import type { MatrixStorage } from './matrix-storage.ts';
import { Routes } from './routes.ts';
import type { TaskControls } from './task-controls.ts';

export interface SteeringOptions {
  api: MatrixApi;
  sender: RateLimitedSender;
  /** The bridge's own account. */
  userId: string;
  /** Who may steer besides those with power level 50 and up. */
  allowedSenders: readonly string[];
  /** `thread`: one room for all tasks. `room`: each task has one, which its state marks. */
  mode: 'thread' | 'room';
  /** The room of thread mode, once it is known. */
  roomId: () => string | undefined;
  /** Makes sure that the room of thread mode is known. */
  prepare?: (signal: AbortSignal) => Promise<void>;
  storage: MatrixStorage;
  store: InboxStore;
  controls: TaskControls;
  /** Hears of each of our rooms that turns out to be encrypted, perhaps more than once. */
  onEncrypted?: (roomId: string) => void;
  logger: Logger;
  clock?: Clock;
  random?: () => number;
}

/** Lets people steer tasks from the rooms in which they are told of them. */
export class Steering {
  readonly #options: SteeringOptions;
  readonly #routes: Routes;
  readonly #inbox: Inbox;
  readonly #listener: Listener;

  constructor(options: SteeringOptions) {
    const { sender, allowedSenders, mode, roomId, store, clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    const authority = new Authority(options.api, allowedSenders);
    const orders = new CommandHandler({ ...options, authority, store, clock });
    this.#routes = new Routes(options);
    this.#inbox = new Inbox({
      store,
      routes: this.#routes,
      carryOut: (saying, signal) => orders.carryOut(saying, signal),
      send: (message, signal) => sender.send(message, signal),
      logger: options.logger,
      clock,
    });
    this.#listener = new Listener({
      ...options,
      room: mode === 'thread' ? roomId : () => undefined,
      take: (heard, signal) => this.#take(heard, signal),
      clock,
    });
  }

  start(): void {
    this.#inbox.start();
    this.#listener.start();
  }

  async close(): Promise<void> {
    await this.#listener.close();
    await this.#inbox.close();
  }

  health(): DependencyHealth {
    const heard = this.#listener.health();
    const detail = this.#inbox.trouble;
    return heard.status === 'ok' && detail !== undefined ? { ...heard, status: 'degraded', detail } : heard;
  }

  async #take(heard: readonly InboxMessage[], signal: AbortSignal): Promise<void> {
    this.#inbox.take(heard.filter((one) => this.#isForUs(one)));
    const encrypted = new Set(heard.flatMap(({ roomId, event }) => (isEncrypted(event) ? [roomId] : [])));
    for (const roomId of encrypted)
      if (await this.#routes.isOurs(roomId, signal)) this.#options.onEncrypted?.(roomId);
  }

  /** As far as can be said without asking the server. */
  #isForUs({ roomId, event }: InboxMessage): boolean {
    const { mode } = this.#options;
    if (mode === 'thread' && roomId !== this.#options.roomId()) return false;
    const said = parseMessage(event);
    if (!said) return false;
    return said.thread !== undefined || said.to !== undefined || !!said.command({ task: mode === 'room' });
  }
}

function isEncrypted({ type }: InboxMessage['event']): boolean {
  return type === 'm.room.encryption' || type === 'm.room.encrypted';
}
