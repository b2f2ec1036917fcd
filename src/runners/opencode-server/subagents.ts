import type { ToolPart } from '../opencode-protocol/wire.ts';

/** The tool that runs a subagent, which has a model of its own to wait for. */
export const SUBAGENT = 'task';

/** The call that runs each subagent, by the subagent's session. */
export type Subagents = ReadonlyMap<string, string>;

/** OpenCode names the session of a subagent before it starts it, so before the calls in it. */
export function withSubagent(known: Subagents, { tool, state, callID }: ToolPart): Subagents {
  const session = 'metadata' in state ? state.metadata?.sessionId : undefined;
  if (tool !== SUBAGENT || typeof session !== 'string' || known.has(session)) return known;
  return new Map(known).set(session, callID);
}
