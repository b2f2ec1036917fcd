import { z } from 'zod';
import { BridgeError } from '../../errors.ts';

/** Tools of a bridge that change tasks; OpenCode puts the name of the MCP server before each. */
const DENIED = [
  '*_opencode_execute_task',
  '*_send_task_message',
  '*_send_task_control',
  '*_answer_task_request',
] as const;

/**
 * Permission rules of each session of a task, also of subagents. OpenCode does not offer a tool whose use is denied:
 * where its configuration has a bridge as an MCP server, a task can neither create tasks nor control or answer itself.
 * These rules come after all rules of the configuration and of agents.
 */
export const SESSION_RULES = DENIED.map((permission) => ({
  permission,
  pattern: '*',
  action: 'deny' as const,
}));

/** The same rules for the OpenCode CLI, as `OPENCODE_PERMISSION`; other rules in that variable stay. */
export function permissionVariable(given: string | undefined): string {
  return JSON.stringify({ ...parsed(given), ...Object.fromEntries(DENIED.map((tool) => [tool, 'deny'])) });
}

function parsed(given: string | undefined): Record<string, unknown> {
  if (given === undefined || given.trim() === '') return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(given));
  } catch (cause) {
    throw new BridgeError('INVALID_INPUT', 'OPENCODE_PERMISSION is not a JSON object.', { cause });
  }
}
