import type { GuardedRequest, Refusal } from './guard.ts';
import { clientAddress, RateLimiter, rateLimited } from './rate-limiter.ts';
import type { Identity } from './token-check.ts';

/** Charges a request to its token, or to its address if it has none. */
export type RateGuard = (
  request: GuardedRequest,
  identity: Identity | undefined,
  cost?: number,
) => Refusal | undefined;

/** Allows so many requests a minute for each token or address; 0: any number. */
export function rateGuard(perMinute: number): RateGuard {
  if (perMinute === 0) return () => undefined;
  const limiter = new RateLimiter(perMinute);
  return ({ socket }, identity, cost = 1) => {
    const address = clientAddress(socket);
    // A cost above the capacity could never be paid.
    const seconds = limiter.take(identity?.credential ?? address, Math.min(perMinute, cost));
    if (seconds === undefined) return undefined;
    const source = identity ? 'with this token' : `from ${address}`;
    return rateLimited(`More than ${perMinute} requests a minute came ${source} (MCP_RATE_LIMIT).`, seconds);
  };
}
