import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { wayOut } from '../api/ways-out.ts';
import type { BridgeError } from '../errors.ts';
import { cutText } from './shrink.ts';

/** Characters of an error's message, which may hold what others said. */
const MAX_MESSAGE = 4_000;

/** Where a failed result carries its error for programs. */
export const ERROR_META = 'letta-opencode-plugin/error';

/** The result of a call that failed: the same facts as text and, in `_meta`, as fields. */
export function errorResult(error: BridgeError): CallToolResult {
  const { code, retryable, retryAfterSeconds } = error;
  const message = cutText(error.message, MAX_MESSAGE);
  const next = wayOut(error);
  const fields = { code, message, next, retryable };
  return {
    isError: true,
    content: [{ type: 'text', text: `${code}: ${message}\nNext: ${next}` }],
    _meta: {
      [ERROR_META]:
        retryAfterSeconds === undefined ? fields : { ...fields, retry_after_seconds: retryAfterSeconds },
    },
  };
}
