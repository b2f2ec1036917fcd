import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/clock.ts';
import { createLogger } from '../../src/logger.ts';
import { WorkspaceManager } from '../../src/memory/workspace-manager.ts';
import { Delivery } from '../../src/notifications/delivery.ts';
import type { Sink } from '../../src/notifications/sink.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBlockStore } from '../../src/store/sqlite/sqlite-block-store.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { fastClock } from '../support/clock.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';

/** What a sink is made of besides where it leads to. */
export interface SinkParts {
  block(taskId: string): Promise<object | undefined>;
  clock: Clock;
}

export const BOUNDS = { maxEvents: 50, limit: 5_000 };
/** So many times as fast as it is does the time pass, unless something depends on how fast it is. */
const FACTOR = 20;
const logger = createLogger('silent');

/** A log, its workspace blocks and the delivery to one sink, as the bridge has them; time passes quickly. */
export class Delivering {
  readonly clock: Clock;
  readonly #folder: Awaited<ReturnType<typeof tempDir>>;
  readonly #makeSink: (parts: SinkParts) => Sink;
  readonly #maxAgeMs: number;
  #database!: Database;
  log!: EventLog;
  workspace!: WorkspaceManager;
  delivery!: Delivery;

  private constructor(
    folder: Awaited<ReturnType<typeof tempDir>>,
    makeSink: (parts: SinkParts) => Sink,
    maxAgeMs: number,
    factor: number,
  ) {
    this.clock = fastClock(factor);
    this.#folder = folder;
    this.#makeSink = makeSink;
    this.#maxAgeMs = maxAgeMs;
    this.#open();
  }

  static async to(
    makeSink: (parts: SinkParts) => Sink,
    maxAgeMs = 86_400_000,
    factor = FACTOR,
  ): Promise<Delivering> {
    return new Delivering(await tempDir('delivering-'), makeSink, maxAgeMs, factor);
  }

  #open(): void {
    const { now } = this.clock;
    this.#database = openDatabase(this.#folder.path);
    this.log = new EventLog(new SqliteTaskStore(this.#database), now);
    this.workspace = new WorkspaceManager(this.log, new SqliteBlockStore(this.#database), BOUNDS, logger);
    this.workspace.start();
    const sink = this.#makeSink({ block: (taskId) => this.workspace.current(taskId), clock: this.clock });
    this.delivery = new Delivery({
      sink,
      log: this.log,
      store: new SqliteDeliveryStore(this.#database, sink.name),
      maxAgeMs: this.#maxAgeMs,
      logger,
      clock: this.clock,
    });
    this.delivery.start();
  }

  create(taskId: string, agentId: string, ...events: TaskEventBody[]): void {
    this.log.create(taskId, created({ agent_id: agentId }), 'print');
    if (events.length > 0) this.log.append(taskId, ...events);
  }

  /** Resolves when nothing more of the task will be told. */
  async settled(taskId: string): Promise<void> {
    const sql = this.#database.prepare('SELECT settled FROM deliveries WHERE task_id = ?');
    await until(() => sql.get(taskId)?.settled === 1);
  }

  async restart(): Promise<void> {
    await this.#close();
    this.#open();
  }

  async #close(): Promise<void> {
    await this.delivery.close();
    await this.workspace.close();
    this.log.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#folder.remove();
  }
}

/** Resolves when it is so; what never becomes so runs into the time limit of the test. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(10);
}
