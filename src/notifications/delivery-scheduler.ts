import type { Clock } from '../clock.ts';
import { DeliveryError } from '../delivery-error.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { DeliveryStore } from '../store/delivery-store.ts';
import type { EventLog } from '../store/event-log.ts';
import type { TaskEvent } from '../tasks/events.ts';
import { logFields } from '../tasks/log-fields.ts';
import { isEnd, type Task } from '../tasks/task.ts';
import { head } from '../text.ts';
import { CallQueue } from './call-queue.ts';
import { callSink } from './call-sink.ts';
import type { OpenDeliveries } from './open-deliveries.ts';
import type { Ack, Sink } from './sink.ts';
import type { TaskDelivery } from './task-delivery.ts';

/** Events in one call at most. */
const BATCH_SIZE = 500;

export interface DeliverySchedulerOptions {
  sink: Sink;
  log: EventLog;
  store: DeliveryStore;
  maxAgeMs: number;
  maxCalls: number;
  clock: Clock;
  random: () => number;
  logger: Logger;
  deliveries: OpenDeliveries;
  /** No call starts after this. */
  stop: AbortSignal;
  /** Running calls are cancelled. */
  cancel: AbortSignal;
  /** Called when the log cannot be read or progress cannot be stored. */
  onFailure: (thrown: unknown) => void;
}

/** Calls the sink for each delivery when it is due, stores what became of the call, and retries failures. */
export class DeliveryScheduler {
  readonly #options: DeliverySchedulerOptions;
  readonly #calls: CallQueue;
  #givenUp = 0;
  #lastError: string | undefined;

  constructor(options: DeliverySchedulerOptions) {
    this.#options = options;
    this.#calls = new CallQueue(options.maxCalls, options.stop);
  }

  start(): void {
    this.#givenUp = this.#options.store.givenUpCount();
  }

  /** How often events of a task were given up, those of earlier processes included. */
  get givenUp(): number {
    return this.#givenUp;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Starts the next call of the delivery, or a timer for it. */
  schedule(delivery: TaskDelivery): void {
    const { clock, stop } = this.#options;
    delivery.cancelTimer?.();
    delivery.cancelTimer = undefined;
    const at = delivery.nextCallAt();
    if (at === undefined || stop.aborted) return;
    const wait = at - clock.now();
    if (wait > 0) {
      delivery.cancelTimer = clock.after(wait, () => this.schedule(delivery));
      return;
    }
    delivery.busy = true;
    this.#calls.add(() => this.#call(delivery));
  }

  cancelTimers(): void {
    for (const delivery of this.#options.deliveries.values()) delivery.cancelTimer?.();
  }

  /** Resolves when no call runs. */
  async idle(): Promise<void> {
    await this.#calls.settled();
  }

  async #call(delivery: TaskDelivery): Promise<void> {
    const { deliveries, onFailure } = this.#options;
    await this.#deliver(delivery).catch(onFailure);
    delivery.busy = false;
    if (deliveries.has(delivery.taskId)) this.schedule(delivery);
  }

  async #deliver(delivery: TaskDelivery): Promise<void> {
    const { sink, log, store, deliveries, maxAgeMs, clock, cancel } = this.#options;
    const task = log.store.getEvenRemoved(delivery.taskId);
    if (!task) {
      deliveries.delete(delivery);
      return;
    }
    const events = log.store.events(task.id, delivery.seq, BATCH_SIZE);
    const age = events[0] ? clock.now() - events[0].at : delivery.failingFor(clock.now());
    if (age > maxAgeMs) {
      this.#giveUp(delivery, task, events.length > 0);
      return;
    }
    try {
      const save = (next: object, durably = false) => store.saveState(task.id, next, durably);
      const batch = { task, events, state: store.state(task.id), save };
      const ack = await callSink(sink, batch, clock, cancel);
      this.#onAck(delivery, task, events, ack);
    } catch (thrown) {
      this.#onError(delivery, task, thrown);
    }
  }

  #onAck(delivery: TaskDelivery, task: Task, events: readonly TaskEvent[], ack: Ack): void {
    const { clock, sink, log } = this.#options;
    if (ack.settled) {
      this.#settle(delivery, task);
      return;
    }
    const seq = ack.upTo ?? events.at(-1)?.seq ?? delivery.seq;
    if (seq > task.lastSeq || seq < delivery.seq || (events.length > 0 && seq === delivery.seq)) {
      throw new DeliveryError(`the sink answered upTo ${seq} to events after ${delivery.seq}`);
    }
    const wasFailing = delivery.failing;
    const [oldest] = log.store.events(task.id, seq, 1);
    delivery.acknowledge(seq, ack.againAt, oldest, clock.now(), sink.paceMs);
    this.#save(delivery);
    if (isEnd(task.status) && seq === task.lastSeq && ack.againAt === undefined) this.#settle(delivery, task);
    if (wasFailing) this.#reportRecovery();
  }

  #onError(delivery: TaskDelivery, task: Task, thrown: unknown): void {
    const { clock, random, deliveries, logger, cancel } = this.#options;
    if (cancel.aborted) return;
    const { final, retryAfterMs } = thrown instanceof DeliveryError ? thrown : {};
    const err = messageOf(thrown);
    if (final) {
      this.#countGivenUp(task, err, 'the sink refused a task for good; its events are no longer delivered');
      this.#settle(delivery, task);
      return;
    }
    const isFirst = deliveries.failing === 0;
    this.#lastError = head(err, 300);
    delivery.fail(clock.now(), retryAfterMs, random());
    this.#save(delivery);
    const lag = isFirst ? deliveries.lag(clock.now()) : undefined;
    logger[isFirst ? 'warn' : 'debug'](
      { ...logFields(task), err, lag },
      'a delivery failed and will be retried',
    );
  }

  #giveUp(delivery: TaskDelivery, task: Task, hasEvents: boolean): void {
    this.#countGivenUp(task, this.#lastError, 'events older than DELIVERY_MAX_AGE_MS are not delivered');
    if (hasEvents) delivery.skip(task.lastSeq, this.#options.clock.now());
    else delivery.clearDue();
    this.#save(delivery);
    if (!hasEvents && isEnd(task.status)) this.#settle(delivery, task);
  }

  #countGivenUp(task: Task, err: string | undefined, message: string): void {
    const { store, logger } = this.#options;
    store.countGivenUp(task.id);
    this.#givenUp += 1;
    logger.error({ ...logFields(task), err }, message);
  }

  #save(delivery: TaskDelivery): void {
    this.#options.deliveries.update(delivery);
    this.#options.store.save(delivery.progress);
  }

  #settle(delivery: TaskDelivery, task: Task): void {
    this.#options.store.settle(delivery.taskId, task.lastSeq);
    this.#options.deliveries.delete(delivery);
    if (delivery.failing) this.#reportRecovery();
  }

  #reportRecovery(): void {
    if (this.#options.deliveries.failing === 0) this.#options.logger.info({}, 'deliveries succeed again');
  }
}
