import { urlOf } from '../links.ts';
import { learnTime } from '../parts/clock.ts';
import { Problem, problemOf, unreachable } from './problem.ts';
import { csrfToken, requireSignIn } from './session.ts';

/** A person sees the tasks of every agent that the token may act for. */
export const EVERY_AGENT = '*';

type Query = Record<string, string | number | boolean | undefined>;

interface RequestOptions {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Query;
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Calls the task API. Throws a Problem for each answer that is no success, AbortError if it is aborted. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', query = {}, body, headers = {}, signal } = options;
  const csrf = csrfToken();
  const response = await fetch(urlWith(path, query), {
    method,
    cache: 'no-store',
    credentials: 'same-origin',
    headers: {
      Accept: 'application/json',
      ...(csrf && { 'X-CSRF-Token': csrf }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }).catch((thrown: unknown) => {
    signal?.throwIfAborted();
    throw unreachable(thrown);
  });
  learnTime(response.headers.get('Date'));
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) requireSignIn();
  throw problem;
}

/** The JSON of an answer; its type is what the bridge promises for the route. */
async function call<T>(path: string, options: RequestOptions): Promise<T> {
  const response = await send(path, options);
  if (response.status === 204) return undefined as T;
  // Broken off, or by something in between that is no bridge.
  return response.json().catch((thrown: unknown) => {
    options.signal?.throwIfAborted();
    throw unreachable(thrown);
  });
}

export const api = {
  get: <T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> =>
    call(path, { query: { agent_id: EVERY_AGENT, ...query }, ...(signal && { signal }) }),
  post: <T>(path: string, body: unknown = {}, query: Query = { agent_id: EVERY_AGENT }): Promise<T> =>
    call(path, { method: 'POST', body, query }),
  delete: (path: string): Promise<void> => call(path, { method: 'DELETE', query: { agent_id: EVERY_AGENT } }),
  /** The bytes of a file, for a download or an image. */
  blob: async (path: string, query: Query = {}, signal?: AbortSignal): Promise<Blob> => {
    const options = { query: { agent_id: EVERY_AGENT, ...query }, headers: { Accept: '*/*' } };
    return (await send(path, { ...options, ...(signal && { signal }) })).blob();
  },
};

export function urlWith(path: string, query: Query): URL {
  const url = urlOf(path);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url;
}

export { Problem };
