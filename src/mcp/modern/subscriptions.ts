import { type AuthInfo, InMemoryServerEventBus, ProtocolError } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { BridgeError, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { faultOf } from '../fault.ts';
import { type FoundResource, findResource } from '../resources/read-resource.ts';
import type { ResourceCaller } from '../resources/resource-caller.ts';
import { ResourceUpdates } from '../resources/resource-updates.ts';
import type { ToolServices } from '../tool.ts';
import { type ClientFeatures, declaredFeatures, requireTasksIn } from './extension.ts';
import type { InputKeys } from './input-keys.ts';
import { resourceCaller } from './resource-methods.ts';
import { SubscriptionStream } from './subscription-stream.ts';
import { type TaskStates, taskEventUri } from './task-states.ts';
import { wireTask } from './wire-task.ts';

/** What one stream asks for; what is followed for all streams; streams of one caller, and of all. */
const MAX_ASKED = 100;
const MAX_FOLLOWED = 10_000;
const MAX_OF_CALLER = 500;
export const MAX_STREAMS = 2_000;

/** JSON-RPC: refused, and wrong parameters. */
const REFUSED = -32_000;
const INVALID_PARAMS = -32_602;

export interface SubscriptionsOptions {
  services: ToolServices;
  logger: Logger;
  keys: InputKeys;
  /** Streams of one caller at most. */
  maxOfCaller?: number;
}

interface Listener {
  body: unknown;
  headers: Headers;
  authInfo: AuthInfo | undefined;
  credential: string | undefined;
}

const LISTEN = 'subscriptions/listen';
/** Looser than the SDK's own check, so that nothing gets past this one. */
const listenRequest = z.looseObject({
  id: z.union([z.string(), z.number()]),
  method: z.literal(LISTEN),
  params: z.looseObject({
    notifications: z.looseObject({
      resourceSubscriptions: z.unknown().optional(),
      taskIds: z.unknown().optional(),
    }),
    _meta: z.unknown().optional(),
  }),
});
const texts = z.array(z.string()).default([]);

function methodOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'method' in body ? body.method : undefined;
}

/** What of a request may be followed. */
interface Accepted {
  resources: ReadonlyMap<string, FoundResource>;
  tasks: readonly Task[];
}

/**
 * `subscriptions/listen` around the SDK, which does not check whose resources are asked for, has no limit for each
 * caller, and does not know `taskIds` of the Tasks extension.
 */
export class Subscriptions {
  readonly bus: InMemoryServerEventBus;
  readonly #options: SubscriptionsOptions;
  readonly #updates: ResourceUpdates;
  readonly #streams = new Set<SubscriptionStream>();
  readonly #ofCaller = new Map<string | undefined, number>();

  constructor(options: SubscriptionsOptions) {
    const { services, logger } = options;
    this.#options = options;
    this.bus = new InMemoryServerEventBus();
    this.#updates = new ResourceUpdates({
      services,
      logger,
      send: (uri) => this.bus.publish({ kind: 'resource_updated', uri }),
      max: MAX_FOLLOWED,
    });
  }

  /** The response to a request; `serve` has the SDK's. */
  async answer(listener: Listener, serve: (body: unknown) => Promise<Response>): Promise<Response> {
    const { body } = listener;
    // First by hand: a schema that refuses takes longer than the rest of most requests.
    const asked = methodOf(body) === LISTEN ? listenRequest.safeParse(body).data : undefined;
    if (!asked) return serve(body);
    try {
      return await this.#listen(asked, listener, serve);
    } catch (thrown) {
      return refusal(asked.id, thrown, this.#options.logger);
    }
  }

  /** Ends all streams, each with the result that tells its client that this was on purpose. */
  end(): void {
    for (const stream of [...this.#streams]) stream.end();
  }

  async #listen(
    asked: z.infer<typeof listenRequest>,
    { headers, authInfo, credential }: Listener,
    serve: (body: unknown) => Promise<Response>,
  ): Promise<Response> {
    const { notifications, _meta } = asked.params;
    const uris = texts.safeParse(notifications.resourceSubscriptions);
    // The SDK refuses it with the right words.
    if (!uris.success) return serve(asked);
    const features = declaredFeatures(_meta);
    const taskIds = idsOf(notifications.taskIds, features);
    const caller = resourceCaller(this.#options.services, authInfo, headers);
    const accepted = await acceptedOf(uris.data, taskIds, caller);
    const { resources, tasks } = accepted;
    this.#assertCapacity(credential);
    const followed = [...resources.keys(), ...tasks.map(({ id }) => taskEventUri(id))];
    const filter = { ...notifications, resourceSubscriptions: followed };
    const response = await serve({ ...asked, params: { ...asked.params, notifications: filter } });
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
      return response;
    const stream = new SubscriptionStream(response.body, asked.id, this.#statesOf(tasks, features));
    this.#add(stream, credential);
    try {
      this.#follow(accepted, stream);
    } catch (thrown) {
      stream.cancel();
      throw thrown;
    }
    return new Response(stream.readable, response);
  }

  #assertCapacity(credential: string | undefined): void {
    const { maxOfCaller = MAX_OF_CALLER } = this.#options;
    const open = this.#ofCaller.get(credential) ?? 0;
    if (open < maxOfCaller) return;
    throw new BridgeError('RATE_LIMITED', `${open} streams of this caller are open, more are not allowed.`, {
      next: 'Close streams that you no longer need; one stream can follow 100 resources.',
    });
  }

  #add(stream: SubscriptionStream, credential: string | undefined): void {
    this.#streams.add(stream);
    this.#ofCaller.set(credential, (this.#ofCaller.get(credential) ?? 0) + 1);
    stream.onClose(() => {
      this.#streams.delete(stream);
      const left = (this.#ofCaller.get(credential) ?? 1) - 1;
      if (left > 0) this.#ofCaller.set(credential, left);
      else this.#ofCaller.delete(credential);
    });
  }

  /** Only now does the stream get what is published. */
  #follow({ resources, tasks }: Accepted, stream: SubscriptionStream): void {
    for (const [uri, found] of resources) stream.onClose(this.#updates.follow(uri, found));
    for (const task of tasks) {
      // The state that is sent at once is its last one.
      if (isEnd(task.status)) continue;
      const target = { taskId: task.id, part: 'status' as const, after: 0, path: '' };
      stream.onClose(this.#updates.follow(taskEventUri(task.id), { target, task }));
    }
  }

  #statesOf(tasks: readonly Task[], { forms }: ClientFeatures): TaskStates {
    const { services, keys } = this.#options;
    return {
      ids: tasks.map(({ id }) => id),
      async read(id) {
        const task = await services.execution.get(id);
        return task && wireTask(task, { services, keys, forms });
      },
    };
  }
}

/** Throws if the client has not declared Tasks. */
function idsOf(given: unknown, features: ClientFeatures): string[] {
  if (given === undefined) return [];
  requireTasksIn(features);
  const ids = texts.safeParse(given);
  if (ids.success) return ids.data;
  throw new BridgeError('INVALID_INPUT', '`taskIds` is not a list of texts.');
}

/** What the caller may follow of what it asks for. Another agent's is left out, as what does not exist. */
async function acceptedOf(
  uris: readonly string[],
  taskIds: readonly string[],
  caller: ResourceCaller,
): Promise<Accepted> {
  if (uris.length + taskIds.length > MAX_ASKED) {
    throw new BridgeError('INVALID_INPUT', `One stream follows at most ${MAX_ASKED} resources and tasks.`, {
      next: 'Open another stream for the others.',
    });
  }
  const resources = new Map<string, FoundResource>();
  for (const uri of uris) {
    const found = await findResource(uri, caller).catch(unlessNotFound);
    if (found) resources.set(uri, found);
  }
  const tasks: Task[] = [];
  for (const id of new Set(taskIds)) {
    const task = await caller.services.execution.find(caller.owner(), id).catch(unlessNotFound);
    if (task) tasks.push(task);
  }
  return { resources, tasks };
}

function unlessNotFound(thrown: unknown): undefined {
  if (toBridgeError(thrown).code !== 'TASK_NOT_FOUND') throw thrown;
}

function refusal(id: string | number, thrown: unknown, logger: Logger): Response {
  const answer = (error: object, status = 200): Response =>
    Response.json({ jsonrpc: '2.0', id, error }, { status });
  if (thrown instanceof ProtocolError) {
    const { code, message, data } = thrown;
    return answer({ code, message, data }, 400);
  }
  const isLimit = toBridgeError(thrown).code === 'RATE_LIMITED';
  const fault = faultOf(thrown, logger);
  if (fault.kind === 'internal') return answer({ code: -32_603, message: fault.message });
  return answer({ code: isLimit ? REFUSED : INVALID_PARAMS, message: fault.message });
}
