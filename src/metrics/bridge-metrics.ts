import { collectDefaultMetrics, Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventLog } from '../store/event-log.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { type BridgeState, registerStateMetrics } from './state-metrics.ts';
import { TaskMetrics } from './task-metrics.ts';
import { TrafficMetrics } from './traffic-metrics.ts';

export interface BridgeMetricsOptions {
  log: EventLog;
  /** Whether agents are distinguished. */
  byAgent: boolean;
  state: BridgeState;
  logger: Logger;
}

/**
 * Everything that the bridge measures, in the text format of Prometheus. It follows the event log from the start of the
 * process on, as any reader does: counters count what happens in this process.
 */
export class BridgeMetrics {
  readonly contentType: string;
  /** Called with each response over HTTP. */
  readonly request: TrafficMetrics['request'];
  /** Called with each call of a tool. */
  readonly toolCall: TrafficMetrics['toolCall'];
  readonly #options: BridgeMetricsOptions;
  readonly #registry = new Registry();
  readonly #tasks: TaskMetrics;
  readonly #agents: AgentMetrics | undefined;
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(options: BridgeMetricsOptions) {
    this.#options = options;
    collectDefaultMetrics({ register: this.#registry });
    registerStateMetrics(this.#registry, options.state);
    this.#tasks = new TaskMetrics(this.#registry);
    this.#agents = options.byAgent ? new AgentMetrics(this.#registry) : undefined;
    const traffic = new TrafficMetrics(this.#registry);
    this.request = traffic.request;
    this.toolCall = traffic.toolCall;
    this.contentType = this.#registry.contentType;
  }

  start(): void {
    const { log, logger } = this.#options;
    for (const task of log.store.unfinished()) this.#tasks.resume(task);
    this.#following = this.#follow(log.store.lastPosition().event).catch((thrown) =>
      logger.error({ err: messageOf(thrown) }, 'metrics of tasks stopped until the bridge restarts'),
    );
  }

  /** The metrics as text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow(position: number): Promise<void> {
    const { log } = this.#options;
    for await (const page of log.tail(position, this.#stop.signal)) {
      for (const { event } of page) {
        const task = log.store.getEvenRemoved(event.taskId);
        this.#tasks.observe(event, task);
        this.#agents?.observe(event, task);
      }
    }
  }
}
