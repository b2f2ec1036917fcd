import { isIPv6 } from 'node:net';
import type { Request } from 'express';
import { BridgeError } from '../errors.ts';

/** So many callers are remembered; of more, the longest unseen is forgotten, which only ever favours it. */
const MAX_CALLERS = 10_000;
const MINUTE_MS = 60_000;

interface Bucket {
  left: number;
  /** Milliseconds, as `now` tells them. */
  at: number;
}

/** A bucket for each caller: it holds what is allowed in a minute, and fills evenly. */
export class RateLimit {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes `cost` from the caller's bucket; where that is not there, the seconds until it will be. */
  take(caller: string, cost = 1): number | undefined {
    const wait = this.wait(caller, cost);
    if (wait !== undefined) return wait;
    const left = this.#left(caller) - cost;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { left, at: this.#now() });
    const [longestUnseen] = this.#buckets.keys();
    if (this.#buckets.size > MAX_CALLERS && longestUnseen !== undefined) this.#buckets.delete(longestUnseen);
    return undefined;
  }

  /** The seconds until `take` will succeed; undefined where it would now. */
  wait(caller: string, cost = 1): number | undefined {
    const missing = cost - this.#left(caller);
    return missing <= 0 ? undefined : Math.ceil((missing / this.#perMinute) * (MINUTE_MS / 1000));
  }

  #left(caller: string): number {
    const bucket = this.#buckets.get(caller);
    if (!bucket) return this.#perMinute;
    const filled = ((this.#now() - bucket.at) / MINUTE_MS) * this.#perMinute;
    return Math.min(this.#perMinute, bucket.left + filled);
  }
}

/** Where a request comes from: an IPv4 address, or the network that one user of IPv6 has to himself. */
export function addressOf({ socket: { remoteAddress = 'nowhere' } }: Pick<Request, 'socket'>): string {
  const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(address)) return address;
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const given = head.length + tail.length;
  const groups = [...head, ...Array.from({ length: 8 - given }, () => '0'), ...tail];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** What a caller is told who has to wait. */
export function rateLimited(message: string, seconds: number): BridgeError {
  const next = `Try again in ${seconds} s. To follow a task, wait in the call: get_task_status with wait_ms 50000.`;
  return new BridgeError('RATE_LIMITED', message, { next, retryAfterSeconds: seconds });
}
