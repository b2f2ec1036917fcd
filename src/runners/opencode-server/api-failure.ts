import { z } from 'zod';
import { BridgeError, messageOf } from '../../errors.ts';

/** A proxy in front of OpenCode answers so under load. */
const TOO_MANY = 429;
/** OpenCode answers these with HTTP 500 where there is no such file. */
const FILE_REQUESTS: ReadonlySet<string> = new Set(['list files', 'read file']);
/** A proxy in front of OpenCode answers so while it cannot reach OpenCode. */
const GATEWAY_ERRORS: ReadonlySet<number> = new Set([502, 503, 504]);

/** What the SDK's methods resolve with. */
export interface Answer {
  data?: unknown;
  error?: unknown;
  response?: Response | undefined;
}

/** The data of an answer; throws a BridgeError where the request failed. */
export async function dataOf(what: string, url: string, request: Promise<Answer>): Promise<unknown> {
  // The SDK rejects where the answer breaks off, or has the type text/html without parameters.
  const { data, error, response }: Answer = await request.catch((error: unknown) => ({ error }));
  if (!response?.ok) throw failure(what, url, response?.status, error);
  if (!response.headers.get('content-type')?.startsWith('text/html')) return data;
  throw unavailable(`${url} answers "${what}" with a web page: it is not an OpenCode server.`);
}

/** The error of a failed request; `status` is undefined where no answer came. */
export function failure(what: string, url: string, status: number | undefined, error: unknown): BridgeError {
  const cause = error;
  if (status === undefined) {
    return unavailable(`OpenCode at ${url} did not answer "${what}": ${messageOf(error)}`, cause);
  }
  if (status === 401) {
    return new BridgeError('ENGINE_UNAUTHORIZED', `OpenCode at ${url} refuses the credentials (HTTP 401).`, {
      next: 'Set OPENCODE_SERVER_USERNAME and OPENCODE_SERVER_PASSWORD to those of the server.',
      cause,
    });
  }
  const text = `OpenCode answered HTTP ${status} to "${what}": ${textOf(error)}`;
  const isTransient =
    status === TOO_MANY || GATEWAY_ERRORS.has(status) || (status >= 500 && !FILE_REQUESTS.has(what));
  if (isTransient) return unavailable(text, cause);
  if (status !== 404) return new BridgeError('ENGINE_ERROR', text, { cause });
  return new BridgeError('ENGINE_NOT_FOUND', text, {
    next: 'It was deleted in OpenCode, or belongs to another server: start a new task.',
    cause,
  });
}

/** Nothing answers there, or something else than OpenCode; this may be transient. */
export function unavailable(text: string, cause?: unknown): BridgeError {
  return new BridgeError('ENGINE_UNAVAILABLE', text, { cause });
}

const errorBody = z.union([
  z.object({ data: z.object({ message: z.string() }) }).transform(({ data }) => data.message),
  z.object({ message: z.string() }).transform(({ message }) => message),
  z.object({ _tag: z.string() }).transform(({ _tag }) => _tag),
]);

function textOf(error: unknown): string {
  const parsed = errorBody.safeParse(error);
  return parsed.success ? parsed.data : 'no details';
}

/** Whether the same request may succeed later. */
export function isTransient(thrown: unknown): thrown is BridgeError {
  return thrown instanceof BridgeError && thrown.code === 'ENGINE_UNAVAILABLE';
}
