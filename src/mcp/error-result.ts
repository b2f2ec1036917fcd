import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { viewError } from '../api/error-view.ts';
import type { BridgeError } from '../errors.ts';
import { TOOL_NAMES } from './tool-names.ts';

/** Where a failed result carries its error for programs. */
export const ERROR_META = 'letta-opencode-plugin/error';

/** The result of a failed call: the same facts as text and, in `_meta`, as fields. */
export function errorResult(error: BridgeError): CallToolResult {
  const view = viewError(error, TOOL_NAMES);
  return {
    isError: true,
    content: [{ type: 'text', text: `${view.code}: ${view.message}\nNext: ${view.next}` }],
    _meta: { [ERROR_META]: view },
  };
}
