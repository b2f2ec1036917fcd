import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { type ChatMessage, ChatRequestSchema } from './chat.ts';
import { chooseStep } from './choice.ts';
import { chatAnswer, completionOf } from './completion.ts';
import { failureCounter } from './failures.ts';
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
  temperature: number | undefined;
  /** Output tokens at most. */
  maxTokens: number | undefined;
}

/** A running scripted model. */
export interface ScriptedModel {
  /** Base URL for an OpenAI client, ends in `/v1`. */
  url: string;
  /** The last 1000 requests, oldest first. */
  requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** Starts the model, on 127.0.0.1 by default; without a port on a free one. */
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
      temperature: chat.temperature,
      maxTokens: chat.max_tokens,
    });
    if (requests.length > KEPT_REQUESTS) requests.shift();
    const failure = failed(choice, session);
    if (failure) return sendFailure(response, failure);
    const { step } = choice;
    const includeUsage = chat.stream_options?.include_usage === true;
    const answer = chatAnswer(completionOf(step, chat.model, Date.now()), includeUsage);
    await respond(response, { step, answer, streamed: chat.stream === true }, gone);
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

function failureFor(thrown: unknown): { status: number; code: string; message: string } {
  if (thrown instanceof ScriptError) return { status: 400, code: 'invalid_script', message: thrown.message };
  if (thrown instanceof z.ZodError || thrown instanceof SyntaxError) {
    return { status: 400, code: 'invalid_request', message: `Not a chat request: ${thrown.message}` };
  }
  return { status: 500, code: 'internal', message: String(thrown) };
}
