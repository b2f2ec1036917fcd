import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './answer.ts';
import { isInterrupted, type Step } from './script.ts';

/** Sends an answer as its step says; rejects when `gone` aborts before the end. */
export async function respond(
  response: ServerResponse,
  { step, answer, streamed }: { step: Step; answer: Answer; streamed: boolean },
  gone: AbortSignal,
): Promise<void> {
  if (step.startDelayMs) await sleep(step.startDelayMs, undefined, { signal: gone });
  if (step.hang === 'headers') return hang(gone);
  if (streamed) return stream(response, step, answer, gone);
  if (step.hang === 'mid') return hang(gone);
  if (step.cut) return void response.destroy();
  const body = JSON.stringify(answer.whole());
  sendBody(response, 200, step.truncate ? body.slice(0, body.length / 2) : body);
}

/** Sends a failure in the OpenAI shape. */
export function sendFailure(response: ServerResponse, failure: NonNullable<Step['fail']>): void {
  const { status, message = `Scripted failure ${status}`, code = null, headers } = failure;
  sendJson(response, status, { error: { message, type: errorType(status), code } }, headers);
}

export function sendJson(response: ServerResponse, status: number, body: object, headers?: object): void {
  sendBody(response, status, JSON.stringify(body), headers);
}

async function stream(
  response: ServerResponse,
  step: Step,
  { opening, deltas, closing, error }: Answer,
  gone: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for (const event of opening) response.write(event);
  const sent = isInterrupted(step) ? deltas.slice(0, Math.ceil(deltas.length / 2)) : deltas;
  for (const [index, event] of sent.entries()) {
    if (index > 0 && step.delayMs) await sleep(step.delayMs, undefined, { signal: gone });
    response.write(event);
  }
  if (step.hang === 'mid') return hang(gone);
  if (step.cut) return cut(response);
  if (step.truncate) return void response.end();
  if (step.streamError !== undefined) return void response.end(error(step.streamError));
  response.end(closing.join(''));
}

/** Destroys the socket once what was written has left it. */
async function cut(response: ServerResponse): Promise<void> {
  await new Promise((resolve) => response.write('\n', resolve));
  response.destroy();
}

async function hang(gone: AbortSignal): Promise<void> {
  if (!gone.aborted) await once(gone, 'abort');
}

function sendBody(response: ServerResponse, status: number, body: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body);
}

function errorType(status: number): string {
  if (status === 401 || status === 403) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
