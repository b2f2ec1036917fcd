import type { ToolPart } from '../opencode-protocol/wire.ts';

/** The tool that runs a subagent, which has a model of its own to wait for. */
export const SUBAGENT = 'task';

interface Fields {
  /** The call that runs each subagent, by the subagent's session. */
  calls: ReadonlyMap<string, string>;
  /** The session of each call that is open and has not named its subagent. */
  unnamed: ReadonlyMap<string, string>;
  /** The session that each session was created for. */
  parents: ReadonlyMap<string, string>;
}

/**
 * Which call runs which subagent. OpenCode names the session of a subagent in the call before it starts the subagent.
 * Where calls begin together, OpenCode 1.18.33 may drop that name until the end of the call: its `updateToolCall` does
 * nothing for a call that its stream has not reached. If one call and one session are left over, they belong together.
 */
export class Subagents {
  static readonly NONE = new Subagents({ calls: new Map(), unnamed: new Map(), parents: new Map() });
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = fields;
  }

  onCreated(session: string, parent: string | undefined): Subagents {
    const { parents } = this.#fields;
    if (parent === undefined || parents.has(session)) return this;
    return this.#with({ parents: new Map(parents).set(session, parent) });
  }

  onPart({ tool, state, callID, sessionID }: ToolPart): Subagents {
    if (tool !== SUBAGENT) return this;
    const { calls, unnamed } = this.#fields;
    const named = 'metadata' in state ? state.metadata?.sessionId : undefined;
    const session = typeof named === 'string' ? named : undefined;
    const isOpen = state.status === 'pending' || state.status === 'running';
    const open = new Map(unnamed);
    if (isOpen && session === undefined) open.set(callID, sessionID);
    else open.delete(callID);
    const known = session === undefined || calls.has(session) ? calls : new Map(calls).set(session, callID);
    return this.#with({ calls: known, unnamed: open });
  }

  /** The call that runs the subagent of this session. */
  callOf(session: string): string | undefined {
    const { calls, unnamed, parents } = this.#fields;
    const known = calls.get(session);
    const parent = parents.get(session);
    if (known !== undefined || parent === undefined) return known;
    const candidates = [...unnamed].flatMap(([call, of]) => (of === parent ? [call] : []));
    const siblings = [...parents].filter(([child, of]) => of === parent && !calls.has(child));
    return candidates.length === 1 && siblings.length === 1 ? candidates[0] : undefined;
  }

  #with(change: Partial<Fields>): Subagents {
    return new Subagents({ ...this.#fields, ...change });
  }
}
