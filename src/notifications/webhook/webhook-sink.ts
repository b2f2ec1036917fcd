import type { TaskEvent } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import type { Ack, Batch, Sink } from '../sink.ts';
import { HangingReceivers } from './hanging-receivers.ts';
import { payload, SENT_KINDS } from './payload.ts';
import { signedHeaders } from './signature.ts';
import type { WebhookClient } from './webhook-client.ts';

/** Only events that are not sent are collected. */
const PACE_MS = 5_000;
const LIMIT_MS = 15_000;

export interface WebhookSinkOptions {
  name: 'webhook' | 'callback';
  /** Where the events of a task go; undefined: nowhere. Throws DeliveryError where that is no longer allowed. */
  target: (task: Task) => URL | undefined;
  /** The header `traceparent` of a task's requests; undefined: none. */
  traceparent?: (task: Task) => string | undefined;
  /** Each signs every message. */
  secrets: readonly Uint8Array[];
  client: WebhookClient;
}

/**
 * Sends the important events of a task to a receiver, one request for each, in order. A call of the sink sends at most
 * one event, so that what a receiver has accepted is stored before the next one goes out: after a crash at most one
 * event is sent again, with the same id.
 */
export class WebhookSink implements Sink {
  readonly name: string;
  readonly urgent = SENT_KINDS;
  readonly paceMs = PACE_MS;
  readonly limitMs = LIMIT_MS;
  readonly #options: WebhookSinkOptions;
  readonly #receivers = new HangingReceivers();

  constructor(options: WebhookSinkOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async deliver({ task, events, signal }: Batch): Promise<Ack> {
    const target = this.#options.target(task);
    if (!target) return { settled: true };
    const [event, next] = events.filter(({ kind }) => SENT_KINDS.has(kind));
    if (event) {
      const send = () => this.#send(target, task, event, signal);
      await this.#receivers.run(task.agentId, target.host, signal, send);
    }
    return { upTo: next && next.seq - 1 };
  }

  #send(target: URL, task: Task, event: TaskEvent, signal: AbortSignal): Promise<void> {
    const { secrets, client, traceparent } = this.#options;
    const body = payload(task, event);
    const id = `${this.name}_${task.id}_${event.seq}`;
    const headers = signedHeaders(id, Math.floor(Date.now() / 1_000), body, secrets);
    const trace = traceparent?.(task);
    return client.post(
      target,
      body,
      trace === undefined ? headers : { ...headers, traceparent: trace },
      signal,
    );
  }
}
