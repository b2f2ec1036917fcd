import type { Message, MessageWithParts, Part, SessionStatus } from '../opencode-protocol/wire.ts';

const SUBAGENT = 'task';
/** The words by which OpenCode 1.18.33 tells a session what its background subagent has come to. */
const NOTICE = /^<task id="([^"]+)" state="(?:completed|error)">/;

/** `lost`: nothing will wake the agent any more, though it was told to wait for that. */
export type Background = 'none' | 'running' | 'lost';

export interface BackgroundOptions {
  sessionId: string;
  limits: { startMs: number };
  now: () => number;
}

/**
 * The subagents of a session that go on while its own turn is over (tool `task` with `background`). When one is done
 * OpenCode wakes the session with a message of its own, and another turn begins; nothing wakes it for one that was
 * aborted, or was lost with OpenCode.
 */
export class BackgroundSubagents {
  readonly #options: BackgroundOptions;
  /** When each was last set to work, and when its session was last told of its end. */
  #begun = new Map<string, number>();
  #told = new Map<string, number>();
  /** When messages to the session came, by OpenCode's clock. */
  #messages = new Map<string, number>();
  readonly #busy = new Set<string>();
  /** Since when all are done, or seem so, and the session is still to be woken. */
  #wakesSince: number | undefined;

  constructor(options: BackgroundOptions) {
    this.#options = options;
  }

  /** Whether something may go on below the session, as far as was heard. */
  get any(): boolean {
    return this.#busy.size > 0 || this.#awaited().length > 0;
  }

  /** Whether the session waits for the end of this one. */
  awaits(sessionId: string): boolean {
    return this.#awaited().includes(sessionId);
  }

  /** Between two turns nothing goes on. */
  forget(): void {
    this.#begun = new Map();
    this.#told = new Map();
    this.#messages = new Map();
    this.#busy.clear();
    this.#wakesSince = undefined;
  }

  onMessage({ id, sessionID, role, time }: Message): void {
    if (role === 'user' && sessionID === this.#options.sessionId) this.#messages.set(id, time.created);
  }

  onStatus(sessionId: string, { type }: SessionStatus): void {
    if (sessionId === this.#options.sessionId) return;
    if (type === 'idle') this.#busy.delete(sessionId);
    else this.#busy.add(sessionId);
  }

  onPart(part: Part): void {
    if (part.sessionID !== this.#options.sessionId) return;
    if (part.type === 'text') {
      const child = part.synthetic ? NOTICE.exec(part.text)?.[1] : undefined;
      const at = this.#messages.get(part.messageID);
      if (child !== undefined && at !== undefined) this.#told.set(child, at);
    } else if (part.type === 'tool' && part.tool === SUBAGENT && part.state.status === 'completed') {
      const { background, sessionId } = part.state.metadata;
      if (background === true && typeof sessionId === 'string')
        this.#begun.set(sessionId, part.state.time.start);
    }
  }

  /** Takes in what is on record of a turn, and says how things stand. */
  onRecords(
    own: readonly MessageWithParts[],
    below: ReadonlyMap<string, readonly MessageWithParts[]>,
    statuses: ReadonlyMap<string, SessionStatus>,
  ): Background {
    this.#begun = new Map();
    this.#told = new Map();
    for (const { info, parts } of own) {
      this.onMessage(info);
      for (const part of parts) this.onPart(part);
    }
    this.#busy.clear();
    for (const id of below.keys()) this.onStatus(id, statuses.get(id) ?? { type: 'idle' });
    for (const id of this.#awaited()) if (isAborted(below.get(id) ?? [])) this.#begun.delete(id);
    if (this.#busy.size > 0) return this.#goesOn();
    const awaited = this.#awaited();
    if (awaited.some((id) => isOpen(below.get(id) ?? []))) return 'lost';
    if (awaited.length === 0 && !isNotice(own.at(-1))) {
      this.#wakesSince = undefined;
      return 'none';
    }
    this.#wakesSince ??= this.#options.now();
    return this.#options.now() - this.#wakesSince > this.#options.limits.startMs ? 'lost' : 'running';
  }

  #goesOn(): Background {
    this.#wakesSince = undefined;
    return 'running';
  }

  #awaited(): string[] {
    return [...this.#begun].flatMap(([id, at]) => ((this.#told.get(id) ?? -1) >= at ? [] : [id]));
  }
}

function isAborted(messages: readonly MessageWithParts[]): boolean {
  const last = messages.at(-1)?.info;
  return last?.role === 'assistant' && last.error?.name === 'MessageAbortedError';
}

/** Whether the last answer was never completed. */
function isOpen(messages: readonly MessageWithParts[]): boolean {
  const last = messages.at(-1)?.info;
  return last?.role === 'assistant' && last.time.completed === undefined;
}

function isNotice(message: MessageWithParts | undefined): boolean {
  return (
    message?.info.role === 'user' &&
    message.parts.some((part) => part.type === 'text' && part.synthetic === true && NOTICE.test(part.text))
  );
}
