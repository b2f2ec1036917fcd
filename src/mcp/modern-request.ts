import {
  isJSONRPCNotification,
  isJSONRPCRequest,
  type JSONRPCMessage,
  JSONRPCMessageSchema,
  type JSONRPCNotification,
  type JSONRPCRequest,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

/** A request or notification that names the revision it is of, as those without a session do. */
export type ModernMessage = JSONRPCRequest | JSONRPCNotification;

/** Where a message without a session names its revision, in `_meta`. */
export const REVISION_KEY = 'io.modelcontextprotocol/protocolVersion';
const versioned = z.object({ params: z.object({ _meta: z.object({ [REVISION_KEY]: z.string() }) }) });
/** The parameter that a header repeats, for each method that has one. */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
/** Where requests go. */
export interface ModernTarget {
  url: string;
  token: string;
}

export function isModern(message: JSONRPCMessage): message is ModernMessage {
  return (
    (isJSONRPCRequest(message) || isJSONRPCNotification(message)) && versioned.safeParse(message).success
  );
}

/** Sends a message in an HTTP request of its own. */
export function postModern(
  { url, token }: ModernTarget,
  message: ModernMessage,
  signal: AbortSignal,
): Promise<Response> {
  const { method, params = {} } = message;
  const version = versioned.parse(message).params._meta[REVISION_KEY];
  const name = NAMED[method] === undefined ? undefined : params[NAMED[method]];
  return fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': headerValue(version),
      'mcp-method': headerValue(method),
      ...(typeof name === 'string' ? { 'mcp-name': headerValue(name) } : {}),
    },
    body: JSON.stringify(message),
    signal,
  });
}

/** The messages of a response, as they come. */
export async function* messagesOf({ headers, body }: Response): AsyncGenerator<JSONRPCMessage, void, void> {
  if (!body) return;
  const streams = headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    rest += chunk;
    if (!streams) continue;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (/^data: ?[^\r]/.test(line))
        yield JSONRPCMessageSchema.parse(JSON.parse(line.slice('data:'.length)));
    }
  }
  if (!streams && rest !== '') yield JSONRPCMessageSchema.parse(JSON.parse(rest));
}

/** What no header can carry is Base64, as the specification has it. */
function headerValue(text: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?')) return text;
  return `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
