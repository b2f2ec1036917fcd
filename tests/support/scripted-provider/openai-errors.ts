import type { Failure } from './dialect.ts';

/** OpenAI quotes the ends of the key that it refuses. */
export function openaiRefusal(key: string | undefined): Failure {
  if (key === undefined) return { status: 401, message: "You didn't provide an API key." };
  const quoted = `${key.slice(0, 4)}${'*'.repeat(8)}${key.slice(-4)}`;
  return { status: 401, message: `Incorrect API key provided: ${quoted}.`, code: 'invalid_api_key' };
}

export function openaiFailure({ status, message, code: given }: Failure): object {
  const code = given ?? defaultCode(status);
  return { error: { message, type: typeOf(status, code), param: null, code } };
}

function defaultCode(status: number): string | null {
  if (status === 401) return 'invalid_api_key';
  return status === 429 ? 'rate_limit_exceeded' : null;
}

function typeOf(status: number, code: string | null): string {
  if (code === 'insufficient_quota') return code;
  if (status === 429) return 'tokens';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
