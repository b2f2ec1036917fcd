import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';
import { matrixEvent } from '../matrix/events.ts';
import { MatrixStorage } from '../matrix/inbound/matrix-storage.ts';
import { Steering } from '../matrix/inbound/steering.ts';
import type { TaskControls } from '../matrix/inbound/task-controls.ts';
import { MatrixApi } from '../matrix/matrix-api.ts';
import { RateLimitedSender } from '../matrix/rate-limited-sender.ts';
import { MatrixSink } from '../notifications/matrix/matrix-sink.ts';
import { Rooms } from '../notifications/matrix/rooms.ts';
import { SessionNotices } from '../notifications/matrix/session-notices.ts';
import type { Database } from '../store/sqlite/database.ts';
import { SqliteInboxStore } from '../store/sqlite/sqlite-inbox-store.ts';

export interface MatrixOptions {
  /** The homeserver, without a path. */
  url: string;
  token: string;
  /** The account of the token. */
  userId: string;
  mode: 'thread' | 'room';
  /** The shared room; absent: the bridge creates one. */
  roomId: string | undefined;
  /** The users to notify of every task. */
  observers: readonly string[];
  /** Who may steer besides those with power level 50 and up. */
  allowedSenders: readonly string[];
  /** The file of the sync position. */
  storagePath: string;
}

/** Composes the parts of Matrix over one account: the sink, notices and steering. */
export class Matrix {
  readonly sink: MatrixSink;
  readonly notices: SessionNotices;
  readonly #options: MatrixOptions;
  readonly #api: MatrixApi;
  readonly #rooms: Rooms;
  readonly #sender: RateLimitedSender;
  #steering: Steering | undefined;

  constructor(options: MatrixOptions) {
    const { url, token, mode, observers } = options;
    this.#options = options;
    this.#api = new MatrixApi({ url, token });
    this.#rooms = new Rooms({ ...options, api: this.#api });
    this.#sender = new RateLimitedSender(this.#api);
    this.sink = new MatrixSink({ rooms: this.#rooms, sender: this.#sender, mode, observers });
    this.notices = new SessionNotices(this.#rooms, this.#sender);
  }

  /** Starts to listen for commands, from the position where an earlier process stopped. */
  steer(controls: TaskControls, database: Database, logger: Logger): void {
    const { url: homeserver, storagePath, ...options } = this.#options;
    const storage = new MatrixStorage(storagePath, { userId: options.userId, homeserver });
    this.#steering = new Steering({
      ...options,
      api: this.#api,
      sender: this.#sender,
      storage,
      store: new SqliteInboxStore(database, (event) => matrixEvent.parse(event)),
      controls,
      roomId: () => this.#rooms.sharedId,
      prepare: (signal) => this.#prepare(signal),
      onEncrypted: (roomId) => this.#rooms.becameEncrypted(roomId),
      logger: logger.child({ sink: 'matrix' }),
    });
    this.#steering.start();
  }

  health(): DependencyHealth[] {
    return this.#steering ? [this.#steering.health()] : [];
  }

  /** Stops listening; commands that run may finish within a time limit. */
  async close(): Promise<void> {
    await this.#steering?.close();
  }

  /** In thread mode, messages can be filtered only once the shared room is known. */
  async #prepare(signal: AbortSignal): Promise<void> {
    if (this.#options.mode === 'thread') await this.#rooms.shared(signal);
  }
}
