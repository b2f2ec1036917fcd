import type { TaskError } from '../../tasks/events.ts';
import { GOES_ON, OUTPUT_LIMIT, TURN_STOPPED } from '../opencode-protocol/finish.ts';
import { taskError } from '../opencode-protocol/translate.ts';
import type {
  AssistantMessage,
  Message,
  MessageWithParts,
  OpenCodeError,
  SessionStatus,
} from '../opencode-protocol/wire.ts';
import type { TurnOutcome } from '../runner.ts';
import type { Background } from './background.ts';

/** Everything OpenCode's records say of a session, read at one time. */
export interface Snapshot {
  /** The session's messages from the prompt on, oldest first. */
  messages: readonly MessageWithParts[];
  status: SessionStatus;
  /** What goes on below the session. */
  background?: Background;
}

/** `unsure`: the events alone do not tell, OpenCode's records have to be read. */
export type Verdict = 'running' | 'unsure' | 'not started' | TurnOutcome;

/**
 * Knows when a turn is over: the session is idle AND its last assistant message is complete.
 * One event alone never says so: an idle may belong to the turn before, come twice, or follow an error
 * from which OpenCode recovers.
 */
export class TurnState {
  readonly #promptId: string;
  readonly #users: Set<string>;
  readonly #assistants = new Map<string, AssistantMessage>();
  readonly #texts = new Map<string, Map<string, string>>();
  #since = Number.POSITIVE_INFINITY;
  #busy = false;
  #reached = false;
  #error: OpenCodeError | undefined;

  constructor(promptId: string) {
    this.#promptId = promptId;
    this.#users = new Set([promptId]);
  }

  /** Whether the model has been set to work. */
  get started(): boolean {
    return this.#busy || this.#assistants.size > 0;
  }

  /** Whether the prompt is on record. */
  get stored(): boolean {
    return this.#texts.has(this.#promptId);
  }

  /** Whether OpenCode has done with the prompt what it will: begun, or refused it. */
  get begun(): boolean {
    return this.started || this.#error !== undefined;
  }

  /** Whether the model has been asked, as far as its answers show. */
  get reached(): boolean {
    return this.#reached;
  }

  /** The last words of the model, so far. */
  get summary(): string {
    const spoken = this.#inOrder().filter(({ summary }) => !summary);
    return spoken.map(({ id }) => this.#wordsOf(id)).findLast((words) => words !== '') ?? '';
  }

  #wordsOf(messageId: string): string {
    return [...(this.#texts.get(messageId)?.values() ?? [])].join('\n\n').trim();
  }

  onMessage(message: Message): void {
    if (message.role === 'user') this.#onUser(message.id, message.time.created);
    else if (this.#users.has(message.parentID)) this.#onAssistant(message);
  }

  /** A new message after an error: OpenCode has recovered from it. */
  #onAssistant(message: AssistantMessage): void {
    if (!this.#assistants.has(message.id)) this.#error = undefined;
    this.#assistants.set(message.id, message);
  }

  /** Messages that join the running turn count as its prompt too; those of turns before do not. */
  #onUser(id: string, created: number): void {
    if (id === this.#promptId) this.#since = created;
    else if (created >= this.#since) this.#users.add(id);
  }

  onPart(messageId: string): void {
    if (this.#assistants.has(messageId)) this.#reached = true;
  }

  onText(messageId: string, partId: string, text: string): void {
    const texts = this.#texts.get(messageId) ?? new Map<string, string>();
    this.#texts.set(messageId, texts.set(partId, text));
  }

  /** An abort before the turn has begun is that of the turn before. */
  onError(error: OpenCodeError): Verdict {
    if (!this.#busy && error.name === 'MessageAbortedError') return 'running';
    this.#error = error;
    return this.#busy ? 'running' : 'unsure';
  }

  onStatus(status: SessionStatus): Verdict {
    if (status.type !== 'idle') {
      this.#busy = true;
      return 'running';
    }
    const last = this.#inOrder().at(-1);
    return last?.time.completed !== undefined && !GOES_ON.has(last.finish ?? '')
      ? this.#ended(last)
      : 'unsure';
  }

  /** Decides from OpenCode's own records. */
  judge({ messages, status, background = 'none' }: Snapshot): Verdict {
    if (status.type !== 'idle') {
      this.#busy = true;
      return 'running';
    }
    for (const { info, parts } of messages) {
      this.onMessage(info);
      if (parts.length > 0) this.onPart(info.id);
    }
    if (background === 'running') return 'running';
    if (background === 'lost') return this.#failed(ENGINE_LOST, 'interrupted');
    const last = this.#inOrder().at(-1);
    if (last && !this.#error && isBetweenSteps(last, messages))
      return this.#failed(ENGINE_LOST, 'interrupted');
    if (last?.time.completed !== undefined) return this.#ended(last);
    // An abort is heard before its message is complete.
    if (last) return this.#failed(isAbort(this.#error) ? taskError(this.#error) : ENGINE_LOST, 'interrupted');
    const mayBegin = !this.#busy && messages.length > 0;
    if (this.#error && !mayBegin) return this.#failed(taskError(this.#error), 'error');
    return 'not started';
  }

  /** The outcome of a turn that its watchdog gave up on. */
  neverStarted(limitMs: number): TurnOutcome {
    const message = `OpenCode accepted the prompt but did not start on it within ${limitMs / 1000} s.`;
    return this.#failed({ code: 'TURN_NEVER_STARTED', message }, 'error');
  }

  /** The outcome of a turn whose model has been silent for too long. */
  stalled(limitMs: number): TurnOutcome {
    const message = `Nothing came from the model for ${limitMs / 1000} s (STALL_TIMEOUT_MS), and no tool was at work.`;
    return this.#failed({ code: 'TURN_STALLED', message }, 'interrupted');
  }

  #ended(last: AssistantMessage): TurnOutcome {
    if (last.error) return this.#failed(taskError(last.error), last.finish ?? 'error');
    const finish = last.finish ?? 'unknown';
    if (finish === 'length') return this.#failed(OUTPUT_LIMIT, finish);
    if (last.finish === undefined || GOES_ON.has(last.finish)) {
      return this.#failed(this.#error ? taskError(this.#error) : TURN_STOPPED, finish);
    }
    return { kind: 'completed', summary: this.summary, finish };
  }

  #failed(error: TaskError, finish: string): TurnOutcome {
    return { kind: 'failed', summary: this.summary, finish, error };
  }

  #inOrder(): AssistantMessage[] {
    return [...this.#assistants.values()].sort(
      (a, b) => a.time.created - b.time.created || (a.id < b.id ? -1 : 1),
    );
  }
}

/** OpenCode is idle, but had every reason to ask the model once more: its tools had answered, none was refused. */
function isBetweenSteps(last: AssistantMessage, messages: readonly MessageWithParts[]): boolean {
  if (last.time.completed === undefined || last.error || !GOES_ON.has(last.finish ?? '')) return false;
  const tools = messages.find(({ info }) => info.id === last.id)?.parts.filter(({ type }) => type === 'tool');
  if (!tools || tools.length === 0) return false;
  return tools.every((part) => part.type === 'tool' && part.state.status === 'completed');
}

function isAbort(error: OpenCodeError | undefined): error is OpenCodeError {
  return error?.name === 'MessageAbortedError';
}

const ENGINE_LOST: TaskError = {
  code: 'ENGINE_LOST',
  message: 'OpenCode stopped in the middle of the turn, for example because it was restarted.',
};
