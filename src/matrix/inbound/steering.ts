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
  /** `thread`: one room for all tasks. `room`: a room for each task, with a mark in its state. */
  mode: 'thread' | 'room';
  /** The room of thread mode, once it is known. */
  roomId: () => string | undefined;
  /** Looks up the room of thread mode. */
  prepare?: (signal: AbortSignal) => Promise<void>;
  storage: MatrixStorage;
  store: InboxStore;
  controls: TaskControls;
  /** Called for a room of the bridge that is encrypted, possibly more than once. */
  onEncrypted?: (roomId: string) => void;
  logger: Logger;
  clock?: Clock;
  random?: () => number;
}

/** Lets people steer tasks from the rooms that show them: listens, stores messages and executes commands. */
export class Steering {
  readonly #options: SteeringOptions;
  readonly #routes: Routes;
  readonly #inbox: Inbox;
  readonly #listener: Listener;

  constructor(options: SteeringOptions) {
    const { sender, allowedSenders, mode, roomId, store, clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    const authority = new Authority(options.api, allowedSenders);
    const handler = new CommandHandler({ ...options, authority, store, clock });
    this.#routes = new Routes(options);
    this.#inbox = new Inbox({
      store,
      routes: this.#routes,
      execute: (message, signal) => handler.execute(message, signal),
      send: (message, signal) => sender.send(message, signal),
      logger: options.logger,
      clock,
    });
    this.#listener = new Listener({
      ...options,
      room: mode === 'thread' ? roomId : () => undefined,
      onMessages: (messages, signal) => this.#receive(messages, signal),
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
    const health = this.#listener.health();
    const detail = this.#inbox.problem;
    return health.status === 'ok' && detail !== undefined
      ? { ...health, status: 'degraded', detail }
      : health;
  }

  async #receive(messages: readonly InboxMessage[], signal: AbortSignal): Promise<void> {
    this.#inbox.receive(messages.filter((message) => this.#isRelevant(message)));
    const encrypted = new Set(messages.flatMap(({ roomId, event }) => (isEncrypted(event) ? [roomId] : [])));
    for (const roomId of encrypted)
      if (await this.#routes.isOurs(roomId, signal)) this.#options.onEncrypted?.(roomId);
  }

  /** A first filter, without a call to the server. */
  #isRelevant({ roomId, event }: InboxMessage): boolean {
    const { mode } = this.#options;
    if (mode === 'thread' && roomId !== this.#options.roomId()) return false;
    const message = parseMessage(event);
    if (!message) return false;
    const { thread, to } = message;
    return thread !== undefined || to !== undefined || !!message.command({ task: mode === 'room' });
  }
}

function isEncrypted({ type }: InboxMessage['event']): boolean {
  return type === 'm.room.encryption' || type === 'm.room.encrypted';
}
