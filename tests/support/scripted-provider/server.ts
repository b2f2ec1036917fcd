import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { ChatMessage } from '../../../src/cli/demo/scripted-model/chat.ts';
import { chooseStep } from '../../../src/cli/demo/scripted-model/choice.ts';
import { failureCounter } from '../../../src/cli/demo/scripted-model/failures.ts';
import { respond, sendJson } from '../../../src/cli/demo/scripted-model/respond.ts';
import { type Rule, ScriptError } from '../../../src/cli/demo/scripted-model/script.ts';
import { ANTHROPIC } from './anthropic.ts';
import { DIALECT_NAMES, type Dialect, type DialectName, type Failure } from './dialect.ts';
import { OPENAI_CHAT } from './openai-chat.ts';
import { OPENAI_RESPONSES } from './openai-responses.ts';
import { OPENROUTER } from './openrouter.ts';

export const DIALECTS: Record<DialectName, Dialect> = {
  anthropic: ANTHROPIC,
  'openai-chat': OPENAI_CHAT,
  'openai-responses': OPENAI_RESPONSES,
  openrouter: OPENROUTER,
};

/** One request as it came over the wire, refused or not. */
interface ProviderRequest {
  /** Undefined: no API has this address. */
  dialect: DialectName | undefined;
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingHttpHeaders;
  /** The parsed JSON, else the text. */
  body: unknown;
  /** What the script chose; undefined if the request was refused. */
  asked: { messages: ChatMessage[]; tools: string[]; step: number; title: boolean } | undefined;
  /** `broken`: the client went away before the end of the answer, or the script cut it. */
  outcome: 'open' | 'ended' | 'broken';
}

/** A running provider that speaks every dialect, each under its own base URL. */
export interface ScriptedProvider {
  origin: string;
  baseUrl(dialect: DialectName): string;
  /** Oldest first. */
  requests: readonly ProviderRequest[];
  /** Accepts one more key, or no longer one. */
  accept(key: string): void;
  revoke(key: string): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a provider of scripted models on a free port of the loopback. */
export async function startScriptedProvider(
  options: { key?: string; rules?: Rule[] } = {},
): Promise<ScriptedProvider> {
  const { key = 'provider-key', rules = [] } = options;
  const requests: ProviderRequest[] = [];
  const keys = new Set([key]);
  const failed = failureCounter();

  const server = createServer((request, response) => {
    const gone = new AbortController();
    const record = recordOf(request);
    requests.push(record);
    response.once('close', () => {
      record.outcome = response.writableFinished ? 'ended' : 'broken';
      gone.abort();
    });
    answer(request, response, record, gone.signal).catch((thrown: unknown) => {
      if (response.headersSent) response.destroy();
      else if (!gone.signal.aborted) refuse(response, record, failureFor(thrown));
    });
  });

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    record: ProviderRequest,
    gone: AbortSignal,
  ): Promise<void> {
    const sent = await text(request);
    record.body = parsed(sent);
    const dialect = record.dialect && DIALECTS[record.dialect];
    if (!dialect || record.method !== 'POST') {
      return refuse(response, record, { status: 404, message: `No ${record.method} ${record.url}` });
    }
    const given = dialect.keyOf(record.headers);
    if (given === undefined || !keys.has(given)) return refuse(response, record, dialect.refusal(given));
    const question = dialect.read(JSON.parse(sent));
    const choice = chooseStep(question.messages, rules);
    const { messages, tools } = question;
    record.asked = { messages, tools, step: choice.index, title: choice.title };
    const failure = failed(choice, record.headers['x-session-affinity']?.toString());
    if (failure) {
      const { status, message = `Scripted failure ${status}`, code, headers } = failure;
      return sendJson(response, status, dialect.failure({ status, message, code }), headers);
    }
    const { step } = choice;
    await respond(response, { step, answer: question.answer(step), streamed: question.streamed }, gone);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const origin = `http://127.0.0.1:${port}`;
  const provider: ScriptedProvider = {
    origin,
    baseUrl: (dialect) => `${origin}${DIALECTS[dialect].base}`,
    requests,
    accept: (accepted) => keys.add(accepted),
    revoke: (revoked) => keys.delete(revoked),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return provider;
}

function recordOf({ method = '', url = '', headers }: IncomingMessage): ProviderRequest {
  const [path] = url.split('?');
  const dialect = DIALECT_NAMES.find((name) => `${DIALECTS[name].base}${DIALECTS[name].path}` === path);
  return { dialect, method, url, headers, body: undefined, asked: undefined, outcome: 'open' };
}

function refuse(
  response: ServerResponse,
  { dialect = 'openai-chat' }: ProviderRequest,
  failure: Failure,
): void {
  sendJson(response, failure.status, DIALECTS[dialect].failure(failure));
}

function failureFor(thrown: unknown): Failure {
  if (thrown instanceof ScriptError || thrown instanceof z.ZodError || thrown instanceof SyntaxError) {
    return { status: 400, message: thrown.message };
  }
  return { status: 500, message: String(thrown) };
}

function parsed(sent: string): unknown {
  try {
    return JSON.parse(sent);
  } catch {
    return sent;
  }
}
