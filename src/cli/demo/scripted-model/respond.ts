import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChatRequest } from './chat.ts';
import { completionOf } from './completion.ts';
import type { Step } from './script.ts';

/** Sends a step as the answer to a request; rejects when `gone` aborts before the end. */
export async function respond(
  response: ServerResponse,
  request: ChatRequest,
  step: Step,
  gone: AbortSignal,
): Promise<void> {
  if (step.startDelayMs) await sleep(step.startDelayMs, undefined, { signal: gone });
  if (step.hang === 'headers') return hang(gone);
  if (request.stream) return stream(response, request, step, gone);
  if (step.hang === 'mid') return hang(gone);
  if (step.cut) response.destroy();
  else sendJson(response, 200, completionOf(step, request.model, Date.now()).whole());
}

/** Sends a failure in the OpenAI shape. */
export function sendFailure(response: ServerResponse, failure: NonNullable<Step['fail']>): void {
  const { status, message = `Scripted failure ${status}`, code = null, headers = {} } = failure;
  sendJson(response, status, { error: { message, type: errorType(status), code } }, headers);
}

async function stream(
  response: ServerResponse,
  request: ChatRequest,
  step: Step,
  gone: AbortSignal,
): Promise<void> {
  const answer = completionOf(step, request.model, Date.now());
  const send = (data: object) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  const interrupted = step.cut === true || step.hang === 'mid';
  const deltas = interrupted ? answer.deltas.slice(0, Math.ceil(answer.deltas.length / 2)) : answer.deltas;

  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  send(answer.chunk({ role: 'assistant', content: '' }));
  for (const [index, delta] of deltas.entries()) {
    if (index > 0 && step.delayMs) await sleep(step.delayMs, undefined, { signal: gone });
    send(answer.chunk(delta));
  }
  if (step.hang === 'mid') return hang(gone);
  if (step.cut) return cut(response);
  send(answer.finish());
  if (request.stream_options?.include_usage) send(answer.usage());
  response.end('data: [DONE]\n\n');
}

/** Destroys the socket once what was written has left it. */
async function cut(response: ServerResponse): Promise<void> {
  await new Promise((resolve) => response.write('\n', resolve));
  response.destroy();
}

async function hang(gone: AbortSignal): Promise<void> {
  if (!gone.aborted) await once(gone, 'abort');
}

function sendJson(response: ServerResponse, status: number, body: object, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function errorType(status: number): string {
  if (status === 401 || status === 403) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
