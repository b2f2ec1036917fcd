import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { BridgeError, ErrorCode } from '../errors.ts';
import { cutText } from './shrink.ts';

/** Characters of an error's message, which may hold what others said. */
const MAX_MESSAGE = 4_000;

/** Where a failed result carries its error for programs. */
export const ERROR_META = 'letta-opencode-plugin/error';

/** What the caller can do about an error that does not say so itself. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  INVALID_INPUT: 'Correct the arguments and call again; nothing was done.',
  REQUEST_NOT_FOUND: 'get_task_status lists the open requests.',
  INVALID_STATE: 'get_task_status shows the state of the task.',
  NOT_FOUND: 'list_tasks shows your tasks.',
  FORBIDDEN: 'Use a path as get_task_files lists it.',
  UNSUPPORTED: 'The health tool shows the mode; another way is needed here.',
  PAYLOAD_TOO_LARGE: 'Send or ask for less at once.',
  INTERNAL: 'Try again; if it stays so, the operator finds the cause in the log.',
};

/** The result of a call that failed: the same facts as text and, in `_meta`, as fields. */
export function errorResult(error: BridgeError): CallToolResult {
  const { code, retryable, retryAfterSeconds } = error;
  const message = cutText(error.message, MAX_MESSAGE);
  const next =
    error.next ?? NEXT[code] ?? (retryable ? 'Try again in a moment.' : 'The health tool shows more.');
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
