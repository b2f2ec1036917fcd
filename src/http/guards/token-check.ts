import { createHash, timingSafeEqual } from 'node:crypto';
import { BridgeError } from '../../errors.ts';
import { type ConnectionEnds, isLocalConnection } from '../../loopback.ts';
import type { Refusal } from './guard.ts';
import { clientAddress, RateLimiter, rateLimited } from './rate-limiter.ts';

export interface BoundToken {
  token: string;
  /** The only agent that its bearer can be; absent: any. */
  agentId?: string | undefined;
  /** Valid only for callers on this machine. */
  local?: boolean;
}

/** Who sent a request, as its token says. */
export interface Identity {
  /** The agent that the token is bound to. */
  agentId: string | undefined;
  /** The same for every request with this token; does not reveal it. */
  credential: string;
  /** Aborts when the browser's session ends by which the request was authenticated. */
  ended?: AbortSignal;
}

/** An identity, a refusal, or neither where no tokens are configured and everybody is allowed. */
export interface Authentication {
  identity?: Identity;
  refusal?: Refusal;
}

/** Whether a token that came over a connection is a configured one. */
export type TokenCheck = (token: string, socket: ConnectionEnds) => Authentication;

const GUESSES_PER_MINUTE = 30;
/** How many pairs of address and token are remembered as used. */
const MAX_USED = 10_000;

/**
 * Knows the configured tokens, and limits guesses. An address with too many wrong tokens gets no further answer, except
 * with a token that it has used before: guesses behind a proxy must not lock out the clients that already work through
 * it.
 */
export function tokenCheck(tokens: readonly BoundToken[]): TokenCheck {
  const known = tokens.map(({ token, ...rest }) => ({ hash: sha256(token), ...rest }));
  const guesses = new RateLimiter(GUESSES_PER_MINUTE);
  const used = new Set<string>();
  return (token, socket) => {
    const hash = sha256(token);
    // Hashes have one length, and all are compared, so that the time reveals neither length nor position.
    const [match] = known
      .filter((it) => timingSafeEqual(it.hash, hash))
      .filter(({ local }) => !local || isLocalConnection(socket));
    const address = clientAddress(socket);
    const credential = hash.toString('hex');
    const use = `${address} ${credential}`;
    const wait = match ? guesses.wait(address) : guesses.take(address);
    if (wait !== undefined && !(match && used.has(use))) {
      const message = `More than ${GUESSES_PER_MINUTE} unknown tokens a minute came from ${address}.`;
      return { refusal: rateLimited(message, wait) };
    }
    if (!match) return unauthorized('The bearer token is not known here.');
    if (used.size >= MAX_USED) used.clear();
    used.add(use);
    return { identity: { agentId: match.agentId, credential } };
  };
}

export function unauthorized(
  message: string,
  next = 'Send the header "Authorization: Bearer <token>" with a token of MCP_AUTH_TOKENS.',
): Authentication {
  const error = new BridgeError('UNAUTHORIZED', message, { next });
  return { refusal: { error, headers: { 'WWW-Authenticate': 'Bearer' } } };
}

/** The `credential` of a token. */
export function credentialOf(token: string): string {
  return sha256(token).toString('hex');
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
