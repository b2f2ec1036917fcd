import { quote } from '../../errors.ts';
import type { TaskEventBody } from '../../tasks/events.ts';

/** A warning names so many MCP servers at most. */
const NAMES_LIMIT = 5;

/** What OpenCode may be waiting for before it asks the model: MCP servers that start slowly. */
export function slowStartWarning(servers: readonly string[], stallMs: number): TaskEventBody {
  const shown = servers.slice(0, NAMES_LIMIT).map((name) => quote(name));
  const names = [...shown, ...(servers.length > NAMES_LIMIT ? ['…'] : [])].join(', ');
  const limit = `${stallMs / 1000} s (STALL_TIMEOUT_MS)`;
  const message = `Nothing has come from the model yet. OpenCode may still be starting the MCP servers of its configuration (${names}); the task waits for up to ${limit}.`;
  return { kind: 'warning', code: 'ENGINE_STARTING', message };
}
