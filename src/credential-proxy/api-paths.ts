import type { Dialect } from '../provider-keys/provider.ts';

/** What OpenCode calls of each API. Nothing else is passed on: no files, no keys, no billing. */
const ALLOWED: Readonly<Record<Dialect, readonly string[]>> = {
  anthropic: ['POST /messages', 'POST /messages/count_tokens', 'GET /models'],
  openai: ['POST /chat/completions', 'POST /responses', 'POST /embeddings', 'GET /models'],
};

/** Whether a path of an API may be called. It is compared as it was sent: an encoded one is none of these. */
export function isAllowed(dialect: Dialect, method: string, path: string): boolean {
  return ALLOWED[dialect].includes(`${method} ${path}`);
}
