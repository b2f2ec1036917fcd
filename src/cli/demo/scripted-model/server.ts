import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { type ChatMessage, ChatRequestSchema } from './chat.ts';
import { type Choice, chooseStep } from './choice.ts';
import { respond, sendFailure } from './respond.ts';
import { type Rule, ScriptError } from './script.ts';

const KEPT_REQUESTS = 1000;

/** One chat-completions request as the model saw it. */
export interface RecordedRequest {
  /** Milliseconds since the epoch. */
  time: number;
  /** OpenCode's session id, from its `x-session-affinity` header. */
  session: string | undefined;
  messages: ChatMessage[];
  /** Names of the offered tools. */
  tools: string[];
  /** Position of the answer in its script. */
  step: number;
  title: boolean;
}

/** A running scripted model. */
export interface ScriptedModel {
  /** Base URL for an OpenAI client, ends in `/v1`. */
  url: string;
  /** The last 1000 requests, oldest first. */
  requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** Starts the model, on 127.0.0.1 unless told otherwise; without a port on a free one. */
export async function startScriptedModel(
  options: { host?: string; port?: number; rules?: Rule[] } = {},
): Promise<ScriptedModel> {
  const { host = '127.0.0.1', port = 0, rules = [] } = options;
  const requests: RecordedRequest[] = [];
  const failed = failureCounter();

  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    answer(request, response, gone.signal).catch((thrown: unknown) => {
      if (response.headersSent) response.destroy();
      else if (!gone.signal.aborted) sendFailure(response, failureFor(thrown));
    });
  });

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    gone: AbortSignal,
  ): Promise<void> {
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
      const message = `Only POST /v1/chat/completions exists, not ${request.method} ${request.url}`;
      return sendFailure(response, { status: 404, message });
    }
    const chat = ChatRequestSchema.parse(await json(request));
    const session = request.headersDistinct['x-session-affinity']?.[0];
    const choice = chooseStep(chat.messages, rules);
    requests.push({
      time: Date.now(),
      session,
      messages: chat.messages,
      tools: (chat.tools ?? []).map((tool) => tool.function.name),
      step: choice.index,
      title: choice.title,
    });
    if (requests.length > KEPT_REQUESTS) requests.shift();
    const failure = failed(choice, session);
    if (failure) sendFailure(response, failure);
    else await respond(response, chat, choice.step, gone);
  }

  server.listen(port, host);
  await once(server, 'listening');
  const address = z.object({ port: z.number() }).parse(server.address());
  return {
    url: `http://${host}:${address.port}/v1`,
    requests,
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Tells whether this request to a step fails; counts per step of a conversation. */
function failureCounter() {
  const counts = new Map<string, number>();
  return ({ step, key }: Choice, session = '') => {
    if (!step.fail) return undefined;
    const count = (counts.get(`${session}:${key}`) ?? 0) + 1;
    counts.set(`${session}:${key}`, count);
    return count <= (step.fail.times ?? Number.POSITIVE_INFINITY) ? step.fail : undefined;
  };
}

function failureFor(thrown: unknown): { status: number; code: string; message: string } {
  if (thrown instanceof ScriptError) return { status: 400, code: 'invalid_script', message: thrown.message };
  if (thrown instanceof z.ZodError || thrown instanceof SyntaxError) {
    return { status: 400, code: 'invalid_request', message: `Not a chat request: ${thrown.message}` };
  }
  return { status: 500, code: 'internal', message: String(thrown) };
}
