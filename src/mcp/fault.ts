import { viewError } from '../api/error-view.ts';
import { BridgeError, messageOf, quote, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { wellFormed } from '../text.ts';
import { TOOL_NAMES } from './tool-names.ts';

/** Why a method other than a call of a tool failed. Each era has its own errors for these. */
export type Fault =
  | { kind: 'no_resource'; message: string; uri: string }
  | { kind: 'invalid'; message: string; data: object }
  | { kind: 'internal'; message: string };

const MISSING: readonly string[] = ['TASK_NOT_FOUND', 'FILE_NOT_FOUND', 'NOT_FOUND'];

/** The fault that something thrown is; `uri` is the resource that it was about. A foreign task and an unknown one are the same. */
export function faultOf(thrown: unknown, logger: Logger, uri?: string): Fault {
  const error = toBridgeError(thrown);
  if (error.code === 'INTERNAL') {
    logger.error({ err: messageOf(error.cause ?? error) }, 'a method of MCP failed');
    return { kind: 'internal', message: error.message };
  }
  const { code, message, next } = viewError(error, TOOL_NAMES);
  const text = `${message} ${next}`;
  if (uri === undefined) return wellFormed({ kind: 'invalid', message: text, data: { code, next } });
  if (code === 'TASK_NOT_FOUND') return wellFormed({ kind: 'no_resource', message: noResource(uri), uri });
  if (MISSING.includes(code)) return wellFormed({ kind: 'no_resource', message: text, uri });
  return wellFormed({ kind: 'invalid', message: text, data: { uri, code, next } });
}

/** What is thrown for a URI that names nothing; `faultOf` words it. */
export function unknownResource(): BridgeError {
  return new BridgeError('TASK_NOT_FOUND', 'There is no such resource.');
}

function noResource(uri: string): string {
  return `There is no resource ${quote(uri)}. resources/list has yours, and resources/templates/list their forms.`;
}
