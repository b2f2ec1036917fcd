import { isIPv6 } from 'node:net';
import { BridgeError } from '../../errors.ts';
import type { ConnectionEnds } from '../../loopback.ts';
import type { Refusal } from './guard.ts';

/** How many callers are remembered; beyond that the least recent is forgotten, which only gives it more. */
const MAX_CALLERS = 10_000;
const MINUTE_MS = 60_000;

interface Bucket {
  left: number;
  /** Milliseconds on the clock `now`. */
  at: number;
}

/** A token bucket for each caller: its capacity is what is allowed in a minute, and it refills evenly. */
export class RateLimiter {
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

  /** Takes `cost` from the caller's bucket; if it holds less, returns the seconds until it holds enough. */
  take(caller: string, cost = 1): number | undefined {
    const wait = this.wait(caller, cost);
    if (wait !== undefined) return wait;
    const left = this.#left(caller) - cost;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { left, at: this.#now() });
    const [leastRecent] = this.#buckets.keys();
    if (this.#buckets.size > MAX_CALLERS && leastRecent !== undefined) this.#buckets.delete(leastRecent);
    return undefined;
  }

  /** The seconds until `take` succeeds; undefined if it does now. */
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

/** The caller as its address identifies it: an IPv4 address, or the /64 network that one IPv6 user controls. */
export function clientAddress({ remoteAddress = 'nowhere' }: ConnectionEnds): string {
  const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(address)) return address;
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const given = head.length + tail.length;
  const groups = [...head, ...Array.from({ length: 8 - given }, () => '0'), ...tail];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** The refusal of a caller that has to wait. */
export function rateLimited(message: string, seconds: number): Refusal {
  const next = `Try again in ${seconds} s. To follow a task, wait in the call: get_task_status with wait_ms 50000.`;
  return { error: new BridgeError('RATE_LIMITED', message, { next, retryAfterSeconds: seconds }) };
}
