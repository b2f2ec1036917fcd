import { DeliveryError } from '../../delivery-error.ts';

/**
 * Keeps receivers that hang from taking all calls of the sink, which the tasks of other agents need too. A receiver
 * is a host as one agent uses it.
 *
 *   answering → hanging    a request ran into its time limit
 *   hanging   → answering  a request was answered, whatever the answer
 *
 * While it is hanging, one request at a time goes out; others fail at once, and are retried like any that fails.
 */
export class HangingReceivers {
  /** Those that are hanging, with whether a request is on its way. */
  readonly #hanging = new Map<string, { busy: boolean }>();

  async run(agentId: string, host: string, signal: AbortSignal, request: () => Promise<void>): Promise<void> {
    const key = JSON.stringify([agentId, host]);
    const probe = this.#hanging.get(key);
    if (probe?.busy) throw new DeliveryError(`${host} did not answer in time`);
    if (probe) probe.busy = true;
    try {
      await request();
    } finally {
      if (probe) probe.busy = false;
      if (!signal.aborted) this.#hanging.delete(key);
      // Requests that went out before the first one timed out must not let another one out each.
      else if (!this.#hanging.has(key)) this.#hanging.set(key, { busy: false });
    }
  }
}
