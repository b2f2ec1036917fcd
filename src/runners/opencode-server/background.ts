import type { Message, MessageWithParts, Part, SessionStatus } from '../opencode-protocol/wire.ts';

const SUBAGENT = 'task';
/** How OpenCode 1.18.33 begins the message that tells a session how its background subagent ended. */
const NOTICE = /^<task id="([^"]+)" state="(?:completed|error)">/;

/** `lost`: nothing will wake the agent any more, although it waits for that. */
export type Background = 'none' | 'running' | 'lost';

interface Fields {
  sessionId: string;
  /** How long OpenCode may take to wake the session, in milliseconds. */
  wakeLimitMs: number;
  /** When each subagent was last started, and when the session last got the notice of its end. */
  started: ReadonlyMap<string, number>;
  notified: ReadonlyMap<string, number>;
  /** When messages to the session came, by OpenCode's clock. */
  messages: ReadonlyMap<string, number>;
  busy: ReadonlySet<string>;
  /** Since when no subagent is at work although the session is still to be woken. */
  wakesSince: number | undefined;
}

/**
 * The subagents of a session that go on while its own turn is over (tool `task` with `background`). When one is done
 * OpenCode wakes the session with a message of its own, and another turn begins. Nothing wakes the session for a
 * subagent that was aborted or that was lost with OpenCode. A value: each method returns the next state.
 */
export class BackgroundSubagents {
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = fields;
  }

  static of(sessionId: string, wakeLimitMs: number): BackgroundSubagents {
    const none = { started: new Map(), notified: new Map(), messages: new Map(), busy: new Set<string>() };
    return new BackgroundSubagents({ sessionId, wakeLimitMs, ...none, wakesSince: undefined });
  }

  /** Whether a subagent may be at work below the session, by the events so far. */
  get any(): boolean {
    return this.#fields.busy.size > 0 || this.#awaited().length > 0;
  }

  /** Whether the session waits for the end of this subagent. */
  awaits(sessionId: string): boolean {
    return this.#awaited().includes(sessionId);
  }

  /** Between two turns no subagent is at work. */
  cleared(): BackgroundSubagents {
    return BackgroundSubagents.of(this.#fields.sessionId, this.#fields.wakeLimitMs);
  }

  onMessage({ id, sessionID, role, time }: Message): BackgroundSubagents {
    const { sessionId, messages } = this.#fields;
    if (role !== 'user' || sessionID !== sessionId) return this;
    return this.#with({ messages: new Map(messages).set(id, time.created) });
  }

  onStatus(sessionId: string, { type }: SessionStatus): BackgroundSubagents {
    if (sessionId === this.#fields.sessionId) return this;
    const busy = new Set(this.#fields.busy);
    if (type === 'idle') busy.delete(sessionId);
    else busy.add(sessionId);
    return this.#with({ busy });
  }

  onPart(part: Part): BackgroundSubagents {
    const { sessionId, messages, notified, started } = this.#fields;
    if (part.sessionID !== sessionId) return this;
    if (part.type === 'text') {
      const child = part.synthetic ? NOTICE.exec(part.text)?.[1] : undefined;
      const at = messages.get(part.messageID);
      if (child === undefined || at === undefined) return this;
      return this.#with({ notified: new Map(notified).set(child, at) });
    }
    if (part.type !== 'tool' || part.tool !== SUBAGENT || part.state.status !== 'completed') return this;
    const { background, sessionId: child } = part.state.metadata;
    if (background !== true || typeof child !== 'string') return this;
    return this.#with({ started: new Map(started).set(child, part.state.time.start) });
  }

  /** Reads the records of a turn: the next state, and what it says of the background. */
  onRecords(
    own: readonly MessageWithParts[],
    below: ReadonlyMap<string, readonly MessageWithParts[]>,
    statuses: ReadonlyMap<string, SessionStatus>,
    now: number,
  ): { next: BackgroundSubagents; background: Background } {
    let next = this.#with({ started: new Map(), notified: new Map(), busy: new Set() });
    for (const { info, parts } of own) {
      next = next.onMessage(info);
      for (const part of parts) next = next.onPart(part);
    }
    for (const id of below.keys()) next = next.onStatus(id, statuses.get(id) ?? { type: 'idle' });
    next = next.#withoutAborted(below);
    const awaited = next.#awaited();
    if (next.#fields.busy.size > 0) {
      return { next: next.#with({ wakesSince: undefined }), background: 'running' };
    }
    if (awaited.some((id) => isOpen(below.get(id) ?? []))) return { next, background: 'lost' };
    if (awaited.length === 0 && !isNotice(own.at(-1))) {
      return { next: next.#with({ wakesSince: undefined }), background: 'none' };
    }
    const { wakeLimitMs, wakesSince = now } = next.#fields;
    return {
      next: next.#with({ wakesSince }),
      background: now - wakesSince > wakeLimitMs ? 'lost' : 'running',
    };
  }

  #withoutAborted(below: ReadonlyMap<string, readonly MessageWithParts[]>): BackgroundSubagents {
    const started = new Map(this.#fields.started);
    for (const id of this.#awaited()) if (isAborted(below.get(id) ?? [])) started.delete(id);
    return this.#with({ started });
  }

  #awaited(): string[] {
    const { started, notified } = this.#fields;
    return [...started].flatMap(([id, at]) => ((notified.get(id) ?? -1) >= at ? [] : [id]));
  }

  #with(change: Partial<Fields>): BackgroundSubagents {
    return new BackgroundSubagents({ ...this.#fields, ...change });
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
