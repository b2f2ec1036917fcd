import { isDeepStrictEqual } from 'node:util';
import type { TaskEvent, TaskEventBody, Usage } from '../../tasks/events.ts';
import { retrying, sumUsage, toolEvents, warning } from '../opencode-protocol/translate.ts';
import type {
  AssistantMessage,
  Message,
  OpenCodeEvent,
  Part,
  SessionStatus,
  ToolPart,
} from '../opencode-protocol/wire.ts';
import type { OpenCodeApi } from './api.ts';
import type { Approvals } from './approvals.ts';
import { BackgroundSubagents } from './background.ts';
import type { EventStream, SessionListener } from './event-stream.ts';
import { SessionRequests } from './session-requests.ts';
import type { Snapshot } from './turn-state.ts';
import type { TurnLimits } from './watchdog.ts';

const IDLE: SessionStatus = { type: 'idle' };
/** The tool that runs a subagent, which has a model of its own to wait for. */
const SUBAGENT = 'task';

export interface SessionTreeOptions {
  sessionId: string;
  directory: string;
  /** Sessions below it that are none of ours: those of tasks before. */
  earlier: readonly string[];
  /** What the task's log holds already. */
  past: readonly TaskEvent[];
  /** Whether the session has rules by which OpenCode asks for edits outside of the directory. */
  guarded: boolean;
  api: OpenCodeApi;
  approvals: Approvals;
  stream: EventStream;
  limits: TurnLimits;
  now: () => number;
}

/**
 * A session and the sessions below it (subagents): hears them all and turns what they do into task events,
 * each finished part once, however often OpenCode tells of it.
 */
export class SessionTree {
  readonly requests: SessionRequests;
  readonly background: BackgroundSubagents;
  readonly #options: SessionTreeOptions;
  readonly #listener: SessionListener;
  readonly #sessions = new Set<string>();
  /** The agent's messages, but for summaries of the conversation. */
  readonly #spoken = new Set<string>();
  readonly #spent = new Map<string, AssistantMessage>();
  readonly #told = new Set<string>();
  /** The calls of tools that are at work, but for those that wait for a subagent. */
  readonly #atWork = new Set<string>();
  /** The usage last told by an earlier process, until the records have been read as far. */
  #behind: Usage | undefined;

  constructor(options: SessionTreeOptions, listener: SessionListener) {
    this.#options = options;
    this.#listener = listener;
    this.requests = new SessionRequests(options, options.past);
    this.background = new BackgroundSubagents(options);
    for (const event of options.past) this.#remember(event);
    this.#adopt(options.sessionId);
  }

  /** Whether the agent waits for a tool or for an answer, and not for its model. */
  get waits(): boolean {
    return this.#atWork.size > 0 || this.requests.any;
  }

  /** Between two turns nothing is at work, whatever OpenCode's records say of one that was lost. */
  forgetWork(): void {
    this.#atWork.clear();
    this.background.forget();
  }

  /** What an event means for the task. */
  read(event: OpenCodeEvent): TaskEventBody[] {
    switch (event.type) {
      case 'session.created':
        this.#adopt(event.properties.info.id);
        return [];
      case 'session.deleted':
        return [];
      case 'message.updated':
        return this.#onMessage(event.properties.info);
      case 'message.part.updated':
        return this.#onPart(event.properties.part);
      case 'todo.updated':
        if (event.properties.sessionID !== this.#options.sessionId) return [];
        return [{ kind: 'todo', items: event.properties.todos }];
      case 'session.status':
        this.background.onStatus(event.properties.sessionID, event.properties.status);
        return retrying(event.properties.status);
      case 'session.error':
        return warning(event.properties.error);
      case 'permission.asked':
        return this.requests.onPermission(event.properties);
      case 'question.asked':
        return this.requests.onQuestion(event.properties);
      case 'permission.replied':
        return this.requests.onReplied(event.properties.requestID, event.properties.reply);
      case 'question.replied': {
        const { requestID, answers } = event.properties;
        return this.requests.onReplied(requestID, answers.map((labels) => labels.join(', ')).join('; '));
      }
      case 'question.rejected':
        return this.requests.onReplied(event.properties.requestID, 'reject');
    }
  }

  /**
   * Reads everything that OpenCode has on record since the prompt: the status first, so that messages are
   * never older than an idle status.
   */
  async snapshot(promptId: string): Promise<{ events: TaskEventBody[]; snapshot: Snapshot }> {
    const { api, sessionId, directory } = this.#options;
    const before = this.requests.ids();
    const [statuses] = await Promise.all([api.statuses(directory), this.#discover(sessionId)]);
    const children = this.#below();
    const [messages, permissions, questions, ...below] = await Promise.all([
      api.messagesFrom(sessionId, promptId),
      api.permissions(directory),
      api.questions(directory),
      ...children.map((child) => api.messagesFrom(child)),
    ]);
    const events: TaskEventBody[] = [];
    for (const { info, parts } of [...messages, ...below.flat()]) {
      this.#meet(info);
      events.push(...parts.flatMap((part) => this.#onPart(part)), ...this.#onMessage(info));
    }
    const lists = { permissions, questions };
    events.push(...this.requests.onLists(lists, (id) => statuses.has(id) && this.#sessions.has(id)));
    const parts = [...messages, ...below.flat()].flatMap((message) => message.parts);
    events.push(...(await this.requests.onGone(before, lists, parts)));
    const byChild = new Map(children.map((child, index) => [child, below[index] ?? []]));
    const background = this.background.onRecords(messages, byChild, statuses);
    return { events, snapshot: { messages, status: statuses.get(sessionId) ?? IDLE, background } };
  }

  /** Reads all that happened since the task's first prompt, and tells what its log does not hold. */
  async catchUp(firstPromptId: string): Promise<TaskEventBody[]> {
    const { events } = await this.snapshot(firstPromptId);
    if (!this.#behind) return events;
    this.#behind = undefined;
    return [...events, { kind: 'usage', usage: sumUsage(this.#spent.values()) }];
  }

  dismissRequests(): Promise<void> {
    return this.requests.dismiss((sessionId) => this.#sessions.has(sessionId));
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
    return [...this.#sessions].filter((id) => (statuses.get(id) ?? IDLE).type !== 'idle');
  }

  /** Whether OpenCode is done, or asks for something, and nothing was heard of it: a pollMissed, not a snapshot. */
  async hasMissed(): Promise<boolean> {
    const { api, sessionId, directory } = this.#options;
    const [statuses, permissions, questions] = await Promise.all([
      api.statuses(directory),
      api.permissions(directory),
      api.questions(directory),
      this.#discover(sessionId),
    ]);
    if ((statuses.get(sessionId) ?? IDLE).type === 'idle') return true;
    return [...permissions, ...questions].some(
      (asked) => this.#sessions.has(asked.sessionID) && this.requests.isNew(asked),
    );
  }

  close(): void {
    for (const id of this.#sessions) this.#options.stream.unlisten(id, this.#listener);
  }

  #below(): string[] {
    return [...this.#sessions].filter((id) => id !== this.#options.sessionId);
  }

  #adopt(id: string): void {
    this.#sessions.add(id);
    this.#options.stream.listen(id, this.#listener);
  }

  async #discover(id: string): Promise<void> {
    for (const child of await this.#options.api.children(id)) {
      if (this.#options.earlier.includes(child.id)) continue;
      this.#adopt(child.id);
      await this.#discover(child.id);
    }
  }

  #onMessage(message: Message): TaskEventBody[] {
    this.#meet(message);
    this.background.onMessage(message);
    if (message.role !== 'assistant' || message.time.completed === undefined) return [];
    const known = this.#spent.get(message.id);
    if (known && known.cost === message.cost && known.tokens.output === message.tokens.output) return [];
    this.#spent.set(message.id, message);
    const usage = sumUsage(this.#spent.values());
    if (!this.#behind) return [{ kind: 'usage', usage }];
    if (isDeepStrictEqual(usage, this.#behind)) this.#behind = undefined;
    return [];
  }

  #meet(message: Message): void {
    if (message.role === 'assistant' && !message.summary) this.#spoken.add(message.id);
  }

  /** Takes in an event that the log holds already. */
  #remember(event: TaskEvent): void {
    switch (event.kind) {
      case 'output':
        this.#told.add(event.part_id);
        break;
      case 'tool':
        for (const status of event.phase === 'started' ? ['running'] : ['running', 'completed', 'error']) {
          this.#told.add(`${event.call_id} ${status}`);
        }
        break;
      case 'usage':
        this.#behind = event.usage;
        break;
    }
  }

  #onPart(part: Part): TaskEventBody[] {
    this.background.onPart(part);
    if (part.type === 'tool') return this.#onTool(part);
    if (part.type !== 'text' || part.sessionID !== this.#options.sessionId) return [];
    if (!this.#spoken.has(part.messageID) || part.time?.end === undefined || part.text === '') return [];
    const { id: part_id, messageID: message_id, text } = part;
    return this.#once(part_id, { kind: 'output', text, message_id, part_id });
  }

  /** A call that is heard of only when it is over still has its start told first. */
  #onTool(part: ToolPart): TaskEventBody[] {
    const { state, callID, tool } = part;
    if (state.status === 'running' && tool !== SUBAGENT) this.#atWork.add(callID);
    else this.#atWork.delete(callID);
    const tell = (seen: ToolPart): TaskEventBody[] =>
      this.#once(`${callID} ${seen.state.status}`, ...toolEvents(seen, this.#options.directory));
    if (state.status === 'pending' || state.status === 'running') return tell(part);
    return [...tell({ ...part, state: { status: 'running', input: state.input } }), ...tell(part)];
  }

  #once(key: string, ...events: TaskEventBody[]): TaskEventBody[] {
    if (this.#told.has(key)) return [];
    this.#told.add(key);
    return events;
  }
}
