import { type Clock, SYSTEM_CLOCK } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';
import type { DeliveryStore } from '../store/delivery-store.ts';
import type { EventLog } from '../store/event-log.ts';
import { DeliveryIntake } from './delivery-intake.ts';
import { DeliveryScheduler } from './delivery-scheduler.ts';
import { OpenDeliveries } from './open-deliveries.ts';
import type { Sink } from './sink.ts';
import { healthOf } from './sink-health.ts';

/** How long calls may still run when the bridge stops. */
const CLOSE_LIMIT_MS = 3_000;

export interface DeliveryOptions {
  sink: Sink;
  log: EventLog;
  /** The deliveries to this sink. */
  store: DeliveryStore;
  /** Older events are not delivered. */
  maxAgeMs: number;
  logger: Logger;
  /** Concurrent calls, each for another task. */
  maxCalls?: number;
  clock?: Clock;
  /** From 0 to 1. */
  random?: () => number;
}

interface DeliveryNumbers {
  sink: string;
  /** That are not delivered yet. */
  events: number;
  /** Age of the oldest of them. */
  seconds: number;
  /** Tasks whose last call failed. */
  failing: number;
  /** Deliveries that were given up, ever. */
  givenUp: number;
}

/**
 * Delivers the events of each task to one sink, in order and at least once. Every task has a `TaskDelivery`, so a task
 * that fails does not delay another. Its progress is stored, and the next process continues from it.
 */
export class Delivery {
  readonly #options: Required<DeliveryOptions>;
  readonly #deliveries = new OpenDeliveries();
  readonly #intake: DeliveryIntake;
  readonly #scheduler: DeliveryScheduler;
  readonly #logger: Logger;
  /** Aborts when no call may start any more. */
  readonly #stop = new AbortController();
  /** Aborts when running calls are cancelled. */
  readonly #cancel = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #failure: string | undefined;

  constructor(options: DeliveryOptions) {
    const logger = options.logger.child({ sink: options.sink.name });
    this.#logger = logger;
    this.#options = { maxCalls: 16, clock: SYSTEM_CLOCK, random: Math.random, ...options, logger };
    const shared = {
      ...this.#options,
      deliveries: this.#deliveries,
      stop: this.#stop.signal,
      cancel: this.#cancel.signal,
    };
    this.#scheduler = new DeliveryScheduler({ ...shared, onFailure: (thrown) => this.#fail(thrown) });
    this.#intake = new DeliveryIntake({
      ...shared,
      schedule: (delivery) => this.#scheduler.schedule(delivery),
    });
  }

  /** Continues where an earlier process stopped. A sink that is new gets the tasks that are created from now on. */
  start(): void {
    const position = this.#options.store.openCursor();
    this.#scheduler.start();
    this.#following = this.#intake.follow(position).catch((thrown) => this.#fail(thrown));
  }

  /** Resolves when no call runs. Calls that take longer than 3 s are cancelled. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#scheduler.cancelTimers();
    await this.#following;
    const cancelTimer = this.#options.clock.after(CLOSE_LIMIT_MS, () => this.#cancel.abort());
    await this.#scheduler.idle();
    cancelTimer();
  }

  /** How far the sink is behind, in numbers. */
  progress(): DeliveryNumbers {
    const { events, ms } = this.#deliveries.lag(this.#options.clock.now());
    const { failing } = this.#deliveries;
    return {
      sink: this.#options.sink.name,
      events,
      seconds: ms / 1_000,
      failing,
      givenUp: this.#scheduler.givenUp,
    };
  }

  health(): DependencyHealth {
    const lag = this.#deliveries.lag(this.#options.clock.now());
    const { givenUp, lastError } = this.#scheduler;
    const { failing } = this.#deliveries;
    return healthOf(this.#options.sink.name, lag, { failing, lastError, stopped: this.#failure, givenUp });
  }

  /** The log cannot be read or progress cannot be stored: nothing is delivered until the next process. */
  #fail(thrown: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = messageOf(thrown);
    this.#stop.abort();
    this.#logger.error({ err: this.#failure }, 'delivery stopped until the bridge restarts');
  }
}
