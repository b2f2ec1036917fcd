import type { RequestId } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

/** Codes of JSON-RPC and MCP, as the Streamable HTTP specification and its SDKs use them. */
export const RPC = {
  refused: -32_000,
  sessionNotFound: -32_001,
  invalidRequest: -32_600,
  invalidParams: -32_602,
  parseError: -32_700,
  internal: -32_603,
} as const;

/** How many messages the SDK accepts in a batch. */
const MAX_BATCH = 100;

/** A message with `id` but no `method` is a response: an error with its id would look like the answer to another request. */
const identified = z.object({ id: z.union([z.string(), z.int()]), method: z.string() });

export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

/** The messages of a body: one message or a batch. */
export function messagesOf(body: unknown): unknown[] {
  return Array.isArray(body) ? body : [body];
}

/** The id and method of a request, even if the rest of it is invalid. */
export function requestOf(message: unknown): { id: RequestId; method: string } | undefined {
  return identified.safeParse(message).data;
}

/** An id that several requests of one batch share. */
export function repeatedId(body: unknown): RequestId | undefined {
  if (!Array.isArray(body)) return undefined;
  const seen = new Set<RequestId>();
  for (const message of body) {
    const id = requestOf(message)?.id;
    if (id !== undefined && seen.has(id)) return id;
    if (id !== undefined) seen.add(id);
  }
  return undefined;
}

/** An error for each of these requests. */
export function rpcErrorsOf(ids: readonly RequestId[], error: RpcError): object[] {
  return ids.map((id) => ({ jsonrpc: '2.0', error, id }));
}

/** The answer to a refused body: an error for each of its requests, or one without an id if there are none. */
export function rpcErrors(body: unknown, error: RpcError): object {
  const answer = (id: RequestId | null): object => ({ jsonrpc: '2.0', error, id });
  if (!Array.isArray(body)) return answer(requestOf(body)?.id ?? null);
  // A batch that is too long gets one error, not one per message.
  const ids = body.length > MAX_BATCH ? [] : body.flatMap((message) => requestOf(message)?.id ?? []);
  return ids.length > 0 ? rpcErrorsOf(ids, error) : answer(null);
}
