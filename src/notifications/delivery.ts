import { setImmediate as turn } from 'node:timers/promises';
import { type Clock, SYSTEM_CLOCK } from '../clock.ts';
import { DeliveryError } from '../delivery-error.ts';
import { messageOf } from '../errors.ts';
import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';
import type { DeliveryStore } from '../store/delivery-store.ts';
import type { EventLog } from '../store/event-log.ts';
import type { PositionedEvent } from '../store/task-store.ts';
import type { TaskEvent } from '../tasks/events.ts';
import { isEnd, type Task } from '../tasks/task.ts';
import { head } from '../text.ts';
import { CallQueue } from './call-queue.ts';
import { callSink } from './call-sink.ts';
import { OpenDeliveries } from './open-deliveries.ts';
import type { Ack, Sink } from './sink.ts';
import { healthOf } from './sink-health.ts';
import { TaskDelivery } from './task-delivery.ts';

/** Events that one call gets at most. */
const PAGE = 500;
/** Lanes that a start takes up in one go. */
const LANES_AT_ONCE = 100;
/** How long calls under way may go on when the bridge stops. */
const CLOSE_LIMIT_MS = 3_000;

export interface DeliveryOptions {
  sink: Sink;
  log: EventLog;
  /** The deliveries to this sink. */
  store: DeliveryStore;
  /** Events that are older are no longer told. */
  maxAgeMs: number;
  logger: Logger;
  /** Calls at once, each for another task. */
  maxCalls?: number;
  clock?: Clock;
  /** From 0 to 1. */
  random?: () => number;
}

/**
 * Follows the log and hands each task's events to one sink, in order, until it has taken them: a lane for each task,
 * so that one that fails holds up no other. How far a lane is is stored, and a restart goes on from there.
 */
export class Delivery {
  readonly #options: Required<DeliveryOptions>;
  readonly #store: DeliveryStore;
  readonly #logger: Logger;
  readonly #lanes = new OpenDeliveries();
  readonly #calls: CallQueue;
  readonly #stop = new AbortController();
  readonly #cut = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #givenUp = 0;
  #lastError: string | undefined;
  #broken: string | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = { maxCalls: 16, clock: SYSTEM_CLOCK, random: Math.random, ...options };
    this.#store = options.store;
    this.#calls = new CallQueue(this.#options.maxCalls, this.#stop.signal);
    this.#logger = options.logger.child({ sink: options.sink.name });
  }

  /** Goes on where an earlier process stopped; the first time, with the tasks that are created from now on. */
  start(): void {
    const position = this.#store.openCursor();
    this.#givenUp = this.#store.droppedCount();
    this.#following = this.#run(position).catch((thrown) => this.#break(thrown));
  }

  /** Resolves when no call is under way any more; those that take too long are cut off. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const lane of this.#lanes.values()) lane.unplan?.();
    await this.#following;
    const uncut = this.#options.clock.after(CLOSE_LIMIT_MS, () => this.#cut.abort());
    await this.#calls.settled();
    uncut();
  }

  health(): DependencyHealth {
    const { failing } = this.#lanes;
    const lag = this.#lanes.lag(this.#options.clock.now());
    const troubles = { failing, lastError: this.#lastError, stopped: this.#broken, givenUp: this.#givenUp };
    return healthOf(this.#options.sink.name, lag, troubles);
  }

  async #run(position: number): Promise<void> {
    await this.#resumeAll();
    for await (const page of this.#options.log.tail(position, this.#stop.signal)) this.#take(page);
  }

  /** Before the log is followed, which makes new lanes: what happens meanwhile stands behind `position`. */
  async #resumeAll(): Promise<void> {
    for (const page of this.#store.open(LANES_AT_ONCE)) {
      for (const progress of page) this.#resume(new TaskDelivery(progress));
      await turn();
      if (this.#stop.signal.aborted) return;
    }
  }

  #take(page: readonly PositionedEvent[]): void {
    const { clock, maxAgeMs } = this.#options;
    const since = clock.now() - maxAgeMs;
    const created = page.filter(({ event }) => event.kind === 'created' && event.at >= since);
    const ids = created.map(({ event }) => event.taskId);
    const begun = ids.length > 0 ? this.#store.add(ids, page.at(-1)?.position ?? 0) : [];
    for (const taskId of begun) this.#lanes.add(TaskDelivery.of(taskId));
    const heard = new Set<TaskDelivery>();
    for (const { event } of page) {
      const lane = this.#lanes.get(event.taskId);
      lane?.heard(event, this.#options.sink.urgent.has(event.kind));
      if (lane) heard.add(lane);
    }
    for (const lane of heard) this.#plan(lane);
  }

  #resume(lane: TaskDelivery): void {
    const task = this.#options.log.get(lane.taskId);
    if (!task) return;
    lane.resume(task.lastSeq, this.#oldest(lane.taskId, lane.seq));
    this.#lanes.add(lane);
    this.#plan(lane);
  }

  #plan(lane: TaskDelivery): void {
    lane.unplan?.();
    lane.unplan = undefined;
    const at = lane.nextAt();
    if (at === undefined || this.#stop.signal.aborted) return;
    const { clock } = this.#options;
    const wait = at - clock.now();
    if (wait > 0) {
      lane.unplan = clock.after(wait, () => this.#plan(lane));
      return;
    }
    lane.busy = true;
    this.#calls.add(() => this.#call(lane));
  }

  async #call(lane: TaskDelivery): Promise<void> {
    await this.#serve(lane).catch((thrown) => this.#break(thrown));
    lane.busy = false;
    if (this.#lanes.has(lane.taskId)) this.#plan(lane);
  }

  async #serve(lane: TaskDelivery): Promise<void> {
    const { sink, log, maxAgeMs, clock } = this.#options;
    const task = log.get(lane.taskId);
    if (!task) {
      this.#lanes.delete(lane);
      return;
    }
    const events = log.store.events(lane.taskId, lane.seq, PAGE);
    const age = events[0] ? clock.now() - events[0].at : lane.failingFor(clock.now());
    if (age > maxAgeMs) {
      this.#giveUp(lane, task, events.length > 0);
      return;
    }
    try {
      const notes = this.#store.state(task.id);
      const save = (state: object, durably = false) => this.#store.saveState(task.id, state, durably);
      const batch = { task, events, notes, save };
      const ack = await callSink(sink, batch, clock, this.#cut.signal);
      this.#accept(lane, task, events, ack);
    } catch (thrown) {
      this.#refuse(lane, task, thrown);
    }
  }

  #accept(lane: TaskDelivery, task: Task, events: readonly TaskEvent[], ack: Ack): void {
    const { clock, sink } = this.#options;
    if (ack.settled) {
      this.#settle(lane, task);
      return;
    }
    const seq = ack.upTo ?? events.at(-1)?.seq ?? lane.seq;
    if (seq > task.lastSeq || seq < lane.seq || (events.length > 0 && seq === lane.seq)) {
      throw new DeliveryError(`the sink answered upTo ${seq} to events behind ${lane.seq}`);
    }
    const failed = lane.failing;
    lane.taken(seq, ack.againAt, this.#oldest(task.id, seq), clock.now(), sink.paceMs);
    this.#lanes.update(lane);
    this.#store.save(lane.progress);
    if (isEnd(task.status) && seq === task.lastSeq && ack.againAt === undefined) this.#settle(lane, task);
    if (failed) this.#recovered();
  }

  #refuse(lane: TaskDelivery, task: Task, thrown: unknown): void {
    if (this.#cut.signal.aborted) return;
    const { clock, random } = this.#options;
    const { final, retryAfterMs } = thrown instanceof DeliveryError ? thrown : {};
    const err = messageOf(thrown);
    if (final) {
      this.#count(lane, err, 'nothing more is delivered of a task');
      this.#settle(lane, task);
      return;
    }
    const isFirst = this.#lanes.failing === 0;
    this.#lastError = head(err, 300);
    lane.failed(clock.now(), retryAfterMs, random());
    this.#lanes.update(lane);
    this.#store.save(lane.progress);
    const lag = isFirst ? this.#lanes.lag(clock.now()) : undefined;
    const fields = { taskId: task.id, err, lag };
    this.#logger[isFirst ? 'warn' : 'debug'](fields, 'a delivery failed; it is tried again');
  }

  #giveUp(lane: TaskDelivery, task: Task, missing: boolean): void {
    this.#count(lane, this.#lastError, 'what is older than DELIVERY_MAX_AGE_MS is no longer delivered');
    if (missing) lane.skip(task.lastSeq, this.#options.clock.now());
    else lane.forget();
    this.#lanes.update(lane);
    this.#store.save(lane.progress);
    if (!missing && isEnd(task.status)) this.#settle(lane, task);
  }

  #count(lane: TaskDelivery, err: string | undefined, message: string): void {
    this.#store.countDropped(lane.taskId);
    this.#givenUp += 1;
    this.#logger.error({ taskId: lane.taskId, err }, message);
  }

  #settle(lane: TaskDelivery, task: Task): void {
    this.#store.settle(lane.taskId, task.lastSeq);
    this.#lanes.delete(lane);
    if (lane.failing) this.#recovered();
  }

  #recovered(): void {
    if (this.#lanes.failing > 0) return;
    this.#logger.info({}, 'deliveries succeed again');
  }

  /** The first event behind `seq`. */
  #oldest(taskId: string, seq: number): TaskEvent | undefined {
    return this.#options.log.store.events(taskId, seq, 1)[0];
  }

  /** What happened cannot be read, or what was delivered not be stored: the next process goes on. */
  #break(thrown: unknown): void {
    if (this.#broken !== undefined) return;
    this.#broken = messageOf(thrown);
    this.#stop.abort();
    this.#logger.error({ err: this.#broken }, 'events are no longer delivered');
  }
}
