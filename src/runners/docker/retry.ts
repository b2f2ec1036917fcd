import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../errors.ts';

const RETRY_MS = 1_000;

export interface RetryOptions {
  /** How long to retry, in milliseconds; absent: without a limit. */
  limitMs?: number | undefined;
  /** Whether nobody needs the result any more. */
  isCancelled: () => boolean;
  /** Called with the message of the first failure. */
  onUnavailable: (message: string) => void;
}

/** Repeats the work while Docker does not answer; any other error is thrown. */
export async function retryWhileUnavailable<T>(
  work: () => Promise<T>,
  { limitMs = Number.POSITIVE_INFINITY, isCancelled, onUnavailable }: RetryOptions,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (let first = true; ; first = false) {
    try {
      return await work();
    } catch (thrown) {
      if (!isUnavailable(thrown) || isCancelled() || Date.now() > deadline) throw thrown;
      if (first) onUnavailable(thrown.message);
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }
}

function isUnavailable(thrown: unknown): thrown is BridgeError {
  return thrown instanceof BridgeError && thrown.code === 'ENGINE_UNAVAILABLE';
}
