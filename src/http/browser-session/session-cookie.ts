import type { GuardedRequest } from '../guards/guard.ts';

export const SESSION_COOKIE = 'bridge_session';
/** The form of an id: 32 random bytes in base64url. */
const ID = /^[\w-]{43}$/;
/** A server on another port of the host can plant cookies of this name; how many are looked at. */
const MAX_COOKIES = 8;

/** The ids that a request has in its cookies, in the order of the browser. */
export function sessionIdsOf({ cookie = '' }: GuardedRequest['headers']): string[] {
  return cookie
    .split(';')
    .map((pair) => pair.trim().split('='))
    .flatMap(([name, value = '']) => (name === SESSION_COOKIE && ID.test(value) ? [value] : []))
    .slice(0, MAX_COOKIES);
}

/** The Set-Cookie header of an id; `''` removes the cookie. Over TLS the browser sends it only over TLS again. */
export function sessionCookie(id: string, maxAgeMs: number, { origin }: GuardedRequest['headers']): string {
  const isSecure = /^https:/i.test(origin ?? '');
  const seconds = Math.floor(maxAgeMs / 1_000);
  const cookie = `${SESSION_COOKIE}=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`;
  return isSecure ? `${cookie}; Secure` : cookie;
}
