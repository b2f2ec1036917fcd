import type { MessageWithParts, SessionStatus } from '../opencode-protocol/wire.ts';
import type { OpenCodeApi } from './api.ts';
import type { EventStream, SessionListener } from './event-stream.ts';
import type { OpenRequests } from './open-requests.ts';
import type { Records } from './records.ts';

const IDLE: SessionStatus = { type: 'idle' };

export interface SessionTreeOptions {
  sessionId: string;
  directory: string;
  /** Sessions below this one that belong to earlier tasks. */
  earlier: readonly string[];
  api: OpenCodeApi;
  stream: EventStream;
}

/** A session and the sessions below it (subagents): subscribes to their events, and reads and aborts all of them. */
export class SessionTree {
  readonly #options: SessionTreeOptions;
  readonly #listener: SessionListener;
  /** How far each session is below the first one, which is at 0. */
  readonly #depths = new Map<string, number>();

  constructor(options: SessionTreeOptions, listener: SessionListener) {
    this.#options = options;
    this.#listener = {
      ...listener,
      onEvent: (event) => {
        if (event.type === 'session.created') {
          const { id, parentID } = event.properties.info;
          this.#add(id, parentID);
        }
        listener.onEvent(event);
      },
    };
    this.#add(options.sessionId);
  }

  has(sessionId: string): boolean {
    return this.#depths.has(sessionId);
  }

  /**
   * Reads everything that OpenCode has on record since the prompt: the status first, so that messages are
   * never older than an idle status; and a session after those below it, so that with a call of a subagent there is
   * the call that runs the subagent.
   */
  async records(promptId: string, open: () => OpenRequests['open']): Promise<Records> {
    const { api, sessionId, directory } = this.#options;
    const openBefore = [...open().keys()];
    const [statuses] = await Promise.all([api.statuses(directory), this.#discover(sessionId)]);
    const children = this.#below();
    const [permissions, questions, below] = await Promise.all([
      api.permissions(directory),
      api.questions(directory),
      this.#messagesOf(children),
    ]);
    const messages = await api.messagesFrom(sessionId, promptId);
    const listed = new Set([...permissions, ...questions].map(({ id }) => id));
    const isGone = openBefore.some((id) => !listed.has(id) && open().has(id));
    return {
      messages,
      below: new Map(children.map((child) => [child, below.get(child) ?? []])),
      statuses,
      requests: { permissions, questions },
      openBefore,
      later: isGone ? await api.statuses(directory) : new Map(),
    };
  }

  /** Aborts every session of the tree; aborting an idle one does nothing. */
  async abort(): Promise<void> {
    const { api, directory, sessionId } = this.#options;
    await api.abort(sessionId, directory);
    await Promise.all(this.#below().map((child) => api.abort(child, directory)));
  }

  /** The sessions of the tree that OpenCode says are at work. */
  async busy(): Promise<string[]> {
    const { api, sessionId, directory } = this.#options;
    const [statuses] = await Promise.all([api.statuses(directory), this.#discover(sessionId)]);
    return [...this.#depths.keys()].filter((id) => (statuses.get(id) ?? IDLE).type !== 'idle');
  }

  /** Whether OpenCode is done, or has an open request without an event. */
  async hasMissed(isNew: (request: { id: string }) => boolean): Promise<boolean> {
    const { api, sessionId, directory } = this.#options;
    const [statuses, permissions, questions] = await Promise.all([
      api.statuses(directory),
      api.permissions(directory),
      api.questions(directory),
      this.#discover(sessionId),
    ]);
    if ((statuses.get(sessionId) ?? IDLE).type === 'idle') return true;
    return [...permissions, ...questions].some((asked) => this.has(asked.sessionID) && isNew(asked));
  }

  close(): void {
    for (const id of this.#depths.keys()) this.#options.stream.unlisten(id, this.#listener);
  }

  #below(): string[] {
    return [...this.#depths.keys()].filter((id) => id !== this.#options.sessionId);
  }

  /** The messages of these sessions, of the lowest first. */
  async #messagesOf(sessions: readonly string[]): Promise<Map<string, MessageWithParts[]>> {
    const levels = Map.groupBy(sessions, (id) => this.#depths.get(id) ?? 0);
    const found = new Map<string, MessageWithParts[]>();
    for (const [, level] of [...levels].sort(([one], [other]) => other - one))
      await Promise.all(level.map(async (id) => found.set(id, await this.#options.api.messagesFrom(id))));
    return found;
  }

  #add(id: string, parent?: string): void {
    const depth = parent === undefined ? 0 : (this.#depths.get(parent) ?? 0) + 1;
    if (!this.#depths.has(id)) this.#depths.set(id, depth);
    this.#options.stream.listen(id, this.#listener);
  }

  async #discover(id: string): Promise<void> {
    for (const child of await this.#options.api.children(id)) {
      if (this.#options.earlier.includes(child.id)) continue;
      this.#add(child.id, id);
      await this.#discover(child.id);
    }
  }
}
