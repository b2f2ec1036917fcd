import type { GuardedRequest } from './guard.ts';
import { type Authentication, type BoundToken, tokenCheck, unauthorized } from './token-check.ts';

/** Decides who sent a request. */
export type Authenticate = (request: GuardedRequest) => Authentication;

/** Allows only bearers of a configured token; without tokens, everybody. */
export function bearerGuard(tokens: readonly BoundToken[], check = tokenCheck(tokens)): Authenticate {
  if (tokens.length === 0) return () => ({});
  return ({ headers, socket }) => {
    const token = bearerTokenOf(headers);
    return token === undefined ? unauthorized('A bearer token is needed.') : check(token, socket);
  };
}

export function bearerTokenOf({ authorization = '' }: GuardedRequest['headers']): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
}
