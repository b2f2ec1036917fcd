import { BridgeError, messageOf } from '../../errors.ts';
import { readFrame } from '../opencode-protocol/frame.ts';
import { authorization, type Endpoint } from './endpoint.ts';

/**
 * Opens `GET /event` and resolves when it sends `server.connected`. Throws with what came instead, or where
 * nothing came in time.
 */
export async function waitForConnected(endpoint: Endpoint, timeoutMs: number): Promise<void> {
  const { url } = endpoint;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${url}/event`, { headers: authorization(endpoint), signal });
    requireStream(url, response);
    if (!(await sendsConnected(response)))
      throw unhealthy(`${url}/event ended before it sent server.connected.`);
  } catch (thrown) {
    if (signal.aborted)
      throw unhealthy(`${url}/event did not send server.connected within ${timeoutMs / 1000} s.`, thrown);
    if (thrown instanceof BridgeError) throw thrown;
    throw unhealthy(`${url} cannot be reached: ${reasonOf(thrown)}`, thrown);
  }
}

function requireStream(url: string, { status, ok, headers }: Response): void {
  if (status === 401) {
    throw new BridgeError('ENGINE_UNAUTHORIZED', `${url} refuses the credentials (HTTP 401).`, {
      next: 'Set OPENCODE_SERVER_USERNAME and OPENCODE_SERVER_PASSWORD to those of the server.',
    });
  }
  if (!ok) throw unhealthy(`${url}/event answers HTTP ${status}.`);
  const type = headers.get('content-type') ?? 'no content type';
  if (type.startsWith('text/event-stream')) return;
  const what = type.startsWith('text/html') ? 'a web page' : type;
  throw unhealthy(
    `${url}/event answers with ${what} instead of an event stream: this is no OpenCode server.`,
  );
}

async function sendsConnected({ body }: Response): Promise<boolean> {
  let rest = '';
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = `${rest}${chunk}`.split(/\r?\n/);
    rest = lines.pop() ?? '';
    if (lines.some(isConnected)) return true;
  }
  return false;
}

/** `/event` sends without a wrapper what `/global/event` sends as a payload. */
function isConnected(line: string): boolean {
  return line.startsWith('data:') && readFrame(`{"payload":${line.slice(5)}}`).kind === 'connected';
}

/** The message of `fetch` says only that it failed; its cause says why. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  return messageOf(cause);
}

function unhealthy(text: string, cause?: unknown): BridgeError {
  return new BridgeError('ENGINE_UNAVAILABLE', text, { cause });
}
