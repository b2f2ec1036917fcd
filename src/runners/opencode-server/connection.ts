import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { RunContext } from '../runner.ts';
import { abortable } from './abortable.ts';
import type { OpenCodeApi } from './api.ts';
import { isTransient } from './api-failure.ts';
import type { Endpoint } from './endpoint.ts';
import type { EventStream } from './event-stream.ts';
import { notReadyWarning } from './not-ready.ts';

const REACH_LIMIT_MS = 60_000;
const REACH_POLL_MS = 1_000;

export interface ConnectionOptions {
  endpoint: Endpoint;
  api: OpenCodeApi;
  stream: EventStream;
  /** How long a new task waits for its server before it fails; absent: a minute. */
  limitMs?: number | undefined;
  logger: Logger;
}

/** Waits for a server, which may be starting or restarting. */
export class Connection {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Does the work when the server can be reached, again after a transient failure; up to the limit, or `forever`. */
  async retryWhileUnavailable<T>(
    { emit, signal }: Pick<RunContext, 'emit' | 'signal'>,
    forever: boolean,
    work: () => Promise<T>,
  ): Promise<T> {
    let warned = false;
    const { logger, limitMs = REACH_LIMIT_MS } = this.#options;
    const deadline = forever ? Number.POSITIVE_INFINITY : Date.now() + limitMs;
    for (;;) {
      await abortable(this.#reachable(signal, deadline), signal);
      try {
        return await abortable(work(), signal);
      } catch (thrown) {
        if (!isTransient(thrown) || Date.now() > deadline) throw thrown;
        logger.warn({ err: messageOf(thrown) }, 'a session could not be opened; trying again');
        if (!warned) emit(notReadyWarning(thrown, forever ? undefined : limitMs));
        warned = true;
        await abortable(sleep(REACH_POLL_MS), signal);
      }
    }
  }

  /** Waits for the event stream; throws at once where the server refuses the credentials. */
  async #reachable(signal: AbortSignal, deadline: number): Promise<void> {
    const { endpoint, api, stream } = this.#options;
    const listening = endpoint.listening?.() ?? Promise.resolve();
    const opened = listening.then(() => stream.ready()).then(() => true);
    while (!signal.aborted) {
      if (await Promise.race([opened, sleep(REACH_POLL_MS, false, { ref: false })])) return;
      await api.health(REACH_POLL_MS).catch((thrown) => {
        if (!isTransient(thrown)) throw thrown;
        if (Date.now() > deadline) throw this.#unreachable(thrown);
      });
    }
  }

  #unreachable(cause: BridgeError): BridgeError {
    const why = this.#options.endpoint.problem?.() ?? cause.message;
    return new BridgeError('ENGINE_UNAVAILABLE', `OpenCode cannot be reached: ${why}`, { cause });
  }
}
