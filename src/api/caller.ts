import { BridgeError, quote } from '../errors.ts';

const DEFAULT_AGENT = 'default';
/** Stands for all agents where a caller reads. */
const EVERY_AGENT = '*';
const MAX_LENGTH = 200;

/** The sources of a caller's agent id in one request. */
export interface CallerIdentity {
  /** The agent that the bearer token is bound to. */
  token?: string | undefined;
  /** The X-Agent-Id header. */
  header?: string | undefined;
  /** The agent_id argument. */
  argument?: string | undefined;
}

const SOURCES = [
  ['token', 'bearer token'],
  ['header', 'X-Agent-Id header'],
  ['argument', 'agent_id argument'],
] as const;

/** The agent_id arguments of a session: the latest, and whether there were others. */
export interface UsedAgents {
  agentId: string;
  several: boolean;
}

/** Resolves the calling agent of each request of a session; remembers the agent_id arguments used in it. */
export class Caller {
  readonly #onChange: (used: UsedAgents) => void;
  #used: UsedAgents | undefined;

  /** `used` are those of the session until now; `onChange` gets them whenever they change. */
  constructor(used?: UsedAgents, onChange: (used: UsedAgents) => void = () => undefined) {
    this.#used = used;
    this.#onChange = onChange;
  }

  /** The calling agent. Throws AGENT_MISMATCH, AGENT_REQUIRED or INVALID_INPUT. */
  resolve(identity: CallerIdentity): string {
    const given = SOURCES.flatMap(([key, source]) => {
      const agentId = identity[key];
      return agentId === undefined ? [] : [{ source, agentId }];
    });
    for (const { source, agentId } of given) requireValid(source, agentId);
    const [first, ...others] = given;
    if (!first) return this.#remembered();
    for (const other of others) if (other.agentId !== first.agentId) throw mismatch(first, other);
    if (identity.argument !== undefined) this.#remember(identity.argument);
    return first.agentId;
  }

  /**
   * Whose tasks a request may name by their id where it has no place for an `agent_id`, as a URI has none. Undefined:
   * the id is enough. That holds where neither token nor header nor the session says which agent calls, because such a
   * caller may name any agent.
   */
  ownerById({ token, header }: Omit<CallerIdentity, 'argument'>): string | undefined {
    if (token !== undefined || header !== undefined) return ownerOf({ token, header });
    return this.#used?.several ? undefined : this.#used?.agentId;
  }

  #remembered(): string {
    if (!this.#used) return DEFAULT_AGENT;
    if (!this.#used.several) return this.#used.agentId;
    throw new BridgeError(
      'AGENT_REQUIRED',
      'Several values of `agent_id` were used in this session, so it is unclear which agent calls.',
      { next: 'Give agent_id, or send the X-Agent-Id header with every request.' },
    );
  }

  #remember(agentId: string): void {
    const several = this.#used !== undefined && (this.#used.several || this.#used.agentId !== agentId);
    if (this.#used?.agentId === agentId && this.#used.several === several) return;
    this.#used = { agentId, several };
    this.#onChange(this.#used);
  }
}

/**
 * Whose tasks a request of the task API is about; undefined: those of every agent. `*` asks for that. Whoever may name
 * any agent may ask for all of them; with a token that is bound to one agent, `*` means that agent.
 */
export function ownerOf({ token, header, argument }: CallerIdentity): string | undefined {
  const isEvery = token === undefined && [header, argument].includes(EVERY_AGENT);
  const [one, other] = [header, argument].map((given) => (given === EVERY_AGENT ? undefined : given));
  if (isEvery && one === undefined && other === undefined) return undefined;
  return new Caller().resolve({ token, header: one, argument: other });
}

interface Given {
  source: string;
  agentId: string;
}

function requireValid(source: string, agentId: string): void {
  if (agentId === EVERY_AGENT) throw everyAgent(source);
  if (agentId.length >= 1 && agentId.length <= MAX_LENGTH && !/\p{Cc}/u.test(agentId)) return;
  throw new BridgeError(
    'INVALID_INPUT',
    `The ${source} ${quote(agentId)} is not an agent id: 1 to ${MAX_LENGTH} characters, no control characters.`,
  );
}

function everyAgent(source: string): BridgeError {
  return new BridgeError(
    'INVALID_INPUT',
    `The ${source} "${EVERY_AGENT}" stands for all agents, and this call is for one.`,
    {
      next: 'Name one agent, or leave it out. In the task API "*" works wherever a task is read or controlled.',
    },
  );
}

function mismatch(first: Given, other: Given): BridgeError {
  return new BridgeError(
    'AGENT_MISMATCH',
    `The ${first.source} says agent ${quote(first.agentId)}, the ${other.source} says ${quote(other.agentId)}.`,
    { next: `Leave the ${other.source} out, or give the same agent in both.` },
  );
}
