import { z } from 'zod';
import { BridgeError, messageOf } from '../../errors.ts';

/** What stands before OpenCode answers so while it has too much to do. */
const TOO_MANY = 429;
/** OpenCode answers with HTTP 500 to these where there is no such file. */
const OF_FILES: ReadonlySet<string> = new Set(['list files', 'read file']);
/** What stands before OpenCode answers while it cannot reach it; OpenCode itself never does. */
const UNREACHED: ReadonlySet<number> = new Set([502, 503, 504]);

/** What went wrong with a request; `status` is undefined where no answer came. */
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
  const passes = status === TOO_MANY || UNREACHED.has(status) || (status >= 500 && !OF_FILES.has(what));
  if (passes) return unavailable(text, cause);
  if (status !== 404) return new BridgeError('ENGINE_ERROR', text, { cause });
  return new BridgeError('ENGINE_NOT_FOUND', text, {
    next: 'It was deleted in OpenCode, or belongs to another server: start a new task.',
    cause,
  });
}

/** Nobody there, or somebody else: it may pass. */
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
