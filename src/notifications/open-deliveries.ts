import { type Lag, measureLag } from './sink-health.ts';
import type { TaskDelivery } from './task-delivery.ts';

/** With more deliveries than this the lag is computed at most once in `LAG_LIFETIME_MS`. */
const CACHE_ABOVE = 1_000;
const LAG_LIFETIME_MS = 1_000;

/** The deliveries to one sink that are not settled. */
export class OpenDeliveries {
  readonly #deliveries = new Map<string, TaskDelivery>();
  readonly #failing = new Set<TaskDelivery>();
  #lag: { value: Lag; at: number } = { value: { tasks: 0, events: 0, ms: 0 }, at: 0 };

  get(taskId: string): TaskDelivery | undefined {
    return this.#deliveries.get(taskId);
  }

  has(taskId: string): boolean {
    return this.#deliveries.has(taskId);
  }

  values(): Iterable<TaskDelivery> {
    return this.#deliveries.values();
  }

  add(delivery: TaskDelivery): void {
    this.#deliveries.set(delivery.taskId, delivery);
    this.update(delivery);
  }

  delete(delivery: TaskDelivery): void {
    this.#deliveries.delete(delivery.taskId);
    this.#failing.delete(delivery);
  }

  /** Must be called after each call of the sink for the delivery. */
  update(delivery: TaskDelivery): void {
    if (delivery.failing) this.#failing.add(delivery);
    else this.#failing.delete(delivery);
  }

  /** The number of deliveries whose last call failed. */
  get failing(): number {
    return this.#failing.size;
  }

  /** The events that are not delivered yet. */
  lag(now: number): Lag {
    const age = Math.abs(now - this.#lag.at);
    if (this.#deliveries.size > CACHE_ABOVE && age < LAG_LIFETIME_MS) return this.#lag.value;
    this.#lag = { value: measureLag(this.#deliveries.values(), now), at: now };
    return this.#lag.value;
  }
}
