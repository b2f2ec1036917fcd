import { setImmediate as turn } from 'node:timers/promises';
import { BridgeError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEventKind } from '../../tasks/events.ts';
import { END_STATUSES, isEnd } from '../../tasks/task.ts';
import type { ToolServices } from '../tool.ts';
import type { FoundResource } from './read-resource.ts';
import type { ResourcePart } from './resource-uri.ts';
import { Throttle } from './throttle.ts';

/** The least time between two updates of one URI, in milliseconds. */
const EVERY_MS = 500;

/** What changes a resource; absent: everything. A file that a process writes after its tool has ended is not noticed. */
const CHANGED_BY: Partial<Record<ResourcePart, ReadonlySet<TaskEventKind>>> = {
  result: new Set([
    ...['started', 'request_opened', 'request_closed', 'paused', 'resumed'],
    ...END_STATUSES,
  ] as TaskEventKind[]),
  diff: new Set<TaskEventKind>(['tool', 'file_changed', ...END_STATUSES]),
  files: new Set<TaskEventKind>(['tool', 'file_changed', ...END_STATUSES]),
};

export interface UpdatesOptions {
  services: ToolServices;
  logger: Logger;
  send(uri: string): void;
  /** How many URIs are followed at most. */
  max: number;
  everyMs?: number;
}

interface Followed {
  /** How many asked for it. */
  count: number;
  readonly stop: AbortController;
}

/**
 * Says which resources have changed: at most once every 500 ms for each URI, and always after the last change. One that
 * does not change any more is said once, so that an end between a read and a subscription is not missed; then it is not
 * followed any longer. Nothing here keeps the process or a task alive.
 */
export class ResourceUpdates {
  readonly #options: UpdatesOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: UpdatesOptions) {
    this.#options = options;
  }

  /** How many URIs are followed. */
  get size(): number {
    return this.#followed.size;
  }

  has(uri: string): boolean {
    return this.#followed.has(uri);
  }

  /** Follows a resource until the returned function is called as often as this one. Throws RATE_LIMITED for one too many. */
  follow(uri: string, found: FoundResource): () => void {
    const followed = this.#followed.get(uri) ?? this.#begin(uri, found);
    followed.count += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      followed.count -= 1;
      if (followed.count === 0) this.#end(uri, followed);
    };
  }

  /** Follows it no longer, however often it was asked for. */
  stop(uri: string): void {
    const followed = this.#followed.get(uri);
    if (followed) this.#end(uri, followed);
  }

  close(): void {
    for (const uri of [...this.#followed.keys()]) this.stop(uri);
  }

  #begin(uri: string, found: FoundResource): Followed {
    const { max, logger } = this.#options;
    if (this.#followed.size >= max) {
      throw new BridgeError('RATE_LIMITED', `${max} resources are subscribed to, more are not allowed.`, {
        next: 'End subscriptions that you no longer need.',
      });
    }
    const followed = { count: 0, stop: new AbortController() };
    this.#followed.set(uri, followed);
    this.#run(uri, found, followed.stop.signal)
      .catch((thrown: unknown) => logger.warn({ err: messageOf(thrown) }, 'a subscription has failed'))
      .finally(() => this.#end(uri, followed));
    return followed;
  }

  async #run(uri: string, { target, task }: FoundResource, signal: AbortSignal): Promise<void> {
    const { services, send, everyMs = EVERY_MS } = this.#options;
    // Whoever subscribes gets the answer to that first.
    await turn();
    const throttle = new Throttle(everyMs, () => send(uri));
    const kinds = CHANGED_BY[target.part];
    try {
      if (isEnd(task.status) && !signal.aborted) throttle.mark();
      for await (const { kind } of services.execution.follow(task, task.lastSeq, signal)) {
        if (!kinds || kinds.has(kind)) throttle.mark();
      }
      if (!signal.aborted) throttle.flush();
    } finally {
      throttle.close();
    }
  }

  #end(uri: string, followed: Followed): void {
    if (this.#followed.get(uri) === followed) this.#followed.delete(uri);
    followed.stop.abort();
  }
}
