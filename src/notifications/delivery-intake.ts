import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { DeliveryStore } from '../store/delivery-store.ts';
import type { EventLog } from '../store/event-log.ts';
import type { PositionedEvent } from '../store/task-store.ts';
import type { OpenDeliveries } from './open-deliveries.ts';
import type { Sink } from './sink.ts';
import { TaskDelivery } from './task-delivery.ts';

/** Deliveries that a start resumes before the event loop gets its turn. */
const RESUME_PAGE = 100;

export interface DeliveryIntakeOptions {
  sink: Sink;
  log: EventLog;
  store: DeliveryStore;
  /** A task that is older when its creation is read gets no delivery. */
  maxAgeMs: number;
  clock: Clock;
  deliveries: OpenDeliveries;
  /** Called when the next call of a delivery may be due earlier. */
  schedule: (delivery: TaskDelivery) => void;
  stop: AbortSignal;
}

/** Opens the deliveries of tasks and gives them the events of the log. */
export class DeliveryIntake {
  readonly #options: DeliveryIntakeOptions;

  constructor(options: DeliveryIntakeOptions) {
    this.#options = options;
  }

  /**
   * Resumes the stored deliveries, then follows the log from `position` until `stop` aborts. In this order: events
   * that arrive while deliveries are resumed are after `position`, and so is the creation of every new task.
   */
  async follow(position: number): Promise<void> {
    const { store, log, stop } = this.#options;
    for (const page of store.open(RESUME_PAGE)) {
      for (const progress of page) this.#resume(new TaskDelivery(progress));
      await turn();
      if (stop.aborted) return;
    }
    for await (const page of log.tail(position, stop)) this.#onEvents(page);
  }

  #resume(delivery: TaskDelivery): void {
    const { log, deliveries, schedule } = this.#options;
    const task = log.store.getEvenRemoved(delivery.taskId);
    if (!task) return;
    const [oldest] = log.store.events(delivery.taskId, delivery.seq, 1);
    delivery.resume(task.lastSeq, oldest);
    deliveries.add(delivery);
    schedule(delivery);
  }

  #onEvents(page: readonly PositionedEvent[]): void {
    const { sink, deliveries, schedule } = this.#options;
    this.#open(page);
    const changed = new Set<TaskDelivery>();
    for (const { event } of page) {
      const delivery = deliveries.get(event.taskId);
      if (!delivery) continue;
      delivery.onEvent(event, sink.urgent.has(event.kind));
      changed.add(delivery);
    }
    for (const delivery of changed) schedule(delivery);
  }

  /** Opens a delivery for each task that the page creates. */
  #open(page: readonly PositionedEvent[]): void {
    const { store, deliveries, clock, maxAgeMs } = this.#options;
    const since = clock.now() - maxAgeMs;
    const created = page.filter(({ event }) => event.kind === 'created' && event.at >= since);
    if (created.length === 0) return;
    const ids = created.map(({ event }) => event.taskId);
    const added = store.add(ids, page.at(-1)?.position ?? 0);
    for (const taskId of added) deliveries.add(TaskDelivery.of(taskId));
  }
}
