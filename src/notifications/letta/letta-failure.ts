import { APIConnectionError, APIError } from '@letta-ai/letta-client';
import { z } from 'zod';
import { DeliveryError } from '../../delivery-error.ts';
import { messageOf } from '../../errors.ts';
import { retryAfterMs } from '../retry-after.ts';

/**
 * What a failed request means. `refused`: it had no effect. `unsure`: it may have had an effect. `label_taken`: the
 * agent has another block with that label.
 */
type Kind = 'agent_gone' | 'block_gone' | 'label_taken' | 'refused' | 'unsure';

/** A failed request to Letta. The message leaves out Letta's own text, which quotes SQL. */
export class LettaFailure extends DeliveryError {
  readonly kind: Kind;

  constructor(kind: Kind, message: string, details: { retryAfterMs?: number; cause?: unknown }) {
    super(message, details);
    this.kind = kind;
  }
}

/** Converts what the client threw during `what`. */
export function lettaFailure(what: string, thrown: unknown): LettaFailure {
  if (thrown instanceof APIError && typeof thrown.status === 'number') return answered(what, thrown);
  const kind = neverSent(thrown) ? 'refused' : 'unsure';
  return new LettaFailure(kind, `Letta: ${what}: ${reasonOf(thrown)}`, { cause: thrown });
}

function answered(what: string, error: APIError): LettaFailure {
  const { status = 0, headers } = error;
  const wait = retryAfterMs(headers?.get('retry-after') ?? undefined);
  const details = { cause: error, ...(wait !== undefined && { retryAfterMs: wait }) };
  const hint = status === 401 || status === 403 ? ' (LETTA_API_TOKEN)' : '';
  return new LettaFailure(kindOf(status, detailOf(error)), `Letta: ${what}: HTTP ${status}${hint}`, details);
}

function kindOf(status: number, detail: string): Kind {
  if (status === 404) return /^(?!block).*\bagent\b/i.test(detail) ? 'agent_gone' : 'block_gone';
  if (status === 409 && /unique/i.test(detail)) return 'label_taken';
  // 503 is sent before any work is done; other server errors, also those of a proxy, may come after it.
  return status >= 500 && status !== 503 ? 'unsure' : 'refused';
}

const body = z.object({ detail: z.string() });

function detailOf({ error }: APIError): string {
  return body.safeParse(error).data?.detail ?? '';
}

const coded = z.object({ code: z.string() });
const NEVER_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

function neverSent(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return code !== undefined && NEVER_SENT.has(code);
}

/** The client wraps the error of `fetch`, which wraps that of the socket. */
function codeOf(thrown: unknown): string | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const { data } = coded.safeParse(error);
    if (data) return data.code;
  }
  return undefined;
}

function reasonOf(thrown: unknown): string {
  const code = codeOf(thrown);
  return thrown instanceof APIConnectionError && code !== undefined ? code : messageOf(thrown);
}
