import { describeLag } from './sink-health.ts';
import type { TaskDelivery } from './task-delivery.ts';

/** Up to so many lanes are looked through each time that somebody asks; more of them once a second at most. */
const FEW = 1_000;
const LAG_LIFETIME_MS = 1_000;

/** The lanes of all tasks of which more may have to be told to a sink, however many they are. */
export class OpenDeliveries {
  readonly #lanes = new Map<string, TaskDelivery>();
  readonly #failing = new Set<TaskDelivery>();
  #lag = { text: '', at: 0 };

  get(taskId: string): TaskDelivery | undefined {
    return this.#lanes.get(taskId);
  }

  has(taskId: string): boolean {
    return this.#lanes.has(taskId);
  }

  values(): Iterable<TaskDelivery> {
    return this.#lanes.values();
  }

  add(lane: TaskDelivery): void {
    this.#lanes.set(lane.taskId, lane);
    this.update(lane);
  }

  delete(lane: TaskDelivery): void {
    this.#lanes.delete(lane.taskId);
    this.#failing.delete(lane);
  }

  /** Has to be called after each call of the sink for the lane. */
  update(lane: TaskDelivery): void {
    if (lane.failing) this.#failing.add(lane);
    else this.#failing.delete(lane);
  }

  /** How many fail. */
  get failing(): number {
    return this.#failing.size;
  }

  /** What is still to be told, in words. */
  lag(now: number): string {
    const age = Math.abs(now - this.#lag.at);
    if (this.#lanes.size > FEW && age < LAG_LIFETIME_MS) return this.#lag.text;
    this.#lag = { text: describeLag(this.#lanes.values(), now), at: now };
    return this.#lag.text;
  }
}
