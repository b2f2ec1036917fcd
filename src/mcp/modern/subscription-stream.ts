import { SUBSCRIPTION_ID_META_KEY } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { type TaskStates, taskEventUri, taskOfEvent } from './task-states.ts';

const ACK = 'notifications/subscriptions/acknowledged';
const UPDATED = 'notifications/resources/updated';

const acknowledgement = z.looseObject({
  method: z.literal(ACK),
  params: z.looseObject({
    notifications: z.looseObject({ resourceSubscriptions: z.array(z.string()).optional() }),
  }),
});
const update = z.looseObject({ method: z.literal(UPDATED), params: z.looseObject({ uri: z.string() }) });

/**
 * The SDK's stream of one subscription, with the states of tasks in the place of the updates that stand for them. The
 * SDK writes each event as one chunk.
 */
export class SubscriptionStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #id: string | number;
  readonly #tasks: TaskStates;
  readonly #closing: (() => void)[] = [];
  #closed = false;
  #ended = false;

  constructor(source: ReadableStream<Uint8Array>, id: string | number, tasks: TaskStates) {
    this.#source = source.getReader();
    this.#id = id;
    this.#tasks = tasks;
    this.readable = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.cancel(),
    });
  }

  /** Called once when the stream is over, however it ends; at once if it is over already. */
  onClose(act: () => void): void {
    if (this.#closed) act();
    else this.#closing.push(act);
  }

  /** Ends it with its result. */
  end(): void {
    this.#ended = true;
    this.cancel();
  }

  /** Ends it without a result. */
  cancel(): void {
    this.#close();
    // What is not read any more cannot fail.
    void this.#source.cancel().catch(() => undefined);
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      const { done, value } = await this.#source.read();
      if (done) {
        if (this.#ended) controller.enqueue(event({ jsonrpc: '2.0', id: this.#id, result: this.#result() }));
        this.#close();
        controller.close();
        return;
      }
      const chunks = await this.#rewrite(value);
      for (const chunk of chunks) controller.enqueue(chunk);
      if (chunks.length > 0) return;
    }
  }

  async #rewrite(chunk: Uint8Array): Promise<Uint8Array[]> {
    if (this.#tasks.ids.length === 0) return [chunk];
    const message = messageIn(chunk);
    const acknowledged = acknowledgement.safeParse(message).data;
    if (acknowledged) return this.#acknowledge(acknowledged);
    const uri = update.safeParse(message).data?.params.uri;
    const taskId = uri === undefined ? undefined : taskOfEvent(uri);
    return taskId === undefined ? [chunk] : this.#state(taskId);
  }

  /** Says which tasks are followed, and then how they stand, so that no change before it is missed. */
  async #acknowledge(message: z.infer<typeof acknowledgement>): Promise<Uint8Array[]> {
    const { ids } = this.#tasks;
    const { resourceSubscriptions = [], ...others } = message.params.notifications;
    const stand = new Set(ids.map(taskEventUri));
    const uris = resourceSubscriptions.filter((uri) => !stand.has(uri));
    const resources = uris.length > 0 ? { resourceSubscriptions: uris } : {};
    const notifications = { ...others, ...resources, taskIds: ids };
    const states = await Promise.all(ids.map((id) => this.#state(id)));
    return [event({ ...message, params: { ...message.params, notifications } }), ...states.flat()];
  }

  async #state(taskId: string): Promise<Uint8Array[]> {
    const task = await this.#tasks.read(taskId);
    if (!task) return [];
    const params = { ...task, _meta: this.#meta() };
    return [event({ jsonrpc: '2.0', method: 'notifications/tasks', params })];
  }

  #result(): object {
    return { resultType: 'complete', _meta: this.#meta() };
  }

  #meta(): object {
    return { [SUBSCRIPTION_ID_META_KEY]: this.#id };
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const act of this.#closing.splice(0)) act();
  }
}

function event(message: object): Uint8Array {
  return new TextEncoder().encode(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}

/** The message of an event; undefined for a comment that keeps the line open. */
function messageIn(chunk: Uint8Array): unknown {
  const [, json] = /^event: message\ndata: (.*)\n\n$/s.exec(new TextDecoder().decode(chunk)) ?? [];
  return json === undefined ? undefined : JSON.parse(json);
}
