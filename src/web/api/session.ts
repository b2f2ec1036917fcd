import { signal } from '@preact/signals';
import { base, urlOf } from '../links.ts';
import { navigate, path } from '../router.ts';
import { isRecord, problemOf, unreachable } from './problem.ts';

/** How this browser is known to the bridge. */
export interface Session {
  /** `none`: the bridge needs no token. */
  authentication: 'none' | 'token';
  signed_in: boolean;
  /** The agent that the token is bound to; absent: any. */
  agent_id?: string;
  expires_at?: string;
}

/** Undefined until the bridge has answered. */
export const session = signal<Session | undefined>(undefined);

// Bridges may share a host; an entry of localStorage belongs to one origin, which has a port, other than a cookie.
const KEY = `csrf ${base.pathname}`;

/** Goes with every request: the cookie alone is worth nothing. */
export function csrfToken(): string | undefined {
  return localStorage.getItem(KEY) ?? undefined;
}

/** Asks the bridge, unless the HTML says that it needs no token: then the session is there at once. */
export async function startSession(): Promise<void> {
  if (document.documentElement.dataset.authentication === 'none') {
    session.value = { authentication: 'none', signed_in: true };
  } else await loadSession();
}

async function loadSession(): Promise<void> {
  session.value = await call<Session>('GET');
}

/** Exchanges a token for a cookie. Throws a Problem for an unknown token. */
export async function signIn(token: string): Promise<void> {
  const { csrf_token } = await call<{ csrf_token: string }>('POST', { token });
  localStorage.setItem(KEY, csrf_token);
  await loadSession();
}

/** Ends the session, here and in the bridge. */
export async function signOut(): Promise<void> {
  await call('DELETE');
  localStorage.removeItem(KEY);
  await loadSession();
  navigate('/sign-in');
}

/** The session is over, or there was none: goes to the sign-in, and back afterwards. */
export function requireSignIn(): void {
  if (session.value) session.value = { ...session.value, authentication: 'token', signed_in: false };
  if (path.value === '/sign-in') return;
  const back = `${path.value}${location.search}`;
  navigate(`/sign-in?return=${encodeURIComponent(back)}`, { replace: true });
}

async function call<T>(method: string, body?: unknown): Promise<T> {
  const csrf = csrfToken();
  const response = await fetch(urlOf('/session'), {
    method,
    cache: 'no-store',
    headers: {
      Accept: 'application/json',
      ...(csrf && { 'X-CSRF-Token': csrf }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((thrown: unknown) => {
    throw unreachable(thrown);
  });
  if (!response.ok) throw await problemOf(response);
  const answer: unknown = response.status === 204 ? {} : await response.json();
  if (!isRecord(answer)) throw unreachable(new Error('/session is no object'));
  return answer as T;
}
