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

/** OpenCode's records of a session's turn, read at one time. */
export interface TurnRecords {
  /** The session's messages from the prompt on, oldest first. */
  messages: readonly MessageWithParts[];
  status: SessionStatus;
  /** What goes on below the session. */
  background?: Background;
}

/** `unsure`: the events alone do not say, OpenCode's records have to be read. */
export type Verdict = 'running' | 'unsure' | 'not started' | TurnOutcome;

interface Fields {
  promptId: string;
  /** When the prompt was stored, by OpenCode's clock. */
  since: number;
  /** The prompt, and the messages that joined the turn. */
  users: ReadonlySet<string>;
  assistants: ReadonlyMap<string, AssistantMessage>;
  /** The text parts of each message, by their ids. */
  texts: ReadonlyMap<string, ReadonlyMap<string, string>>;
  busy: boolean;
  reached: boolean;
  error: OpenCodeError | undefined;
}

/**
 * The evidence about a turn, from events and records. A turn is over when the session is idle AND its last assistant
 * message is complete. One event alone never says so: an idle may belong to the turn before, come twice, or follow an
 * error from which OpenCode recovers. A value: each `on…` returns the next state.
 */
export class TurnState {
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = fields;
  }

  static of(promptId: string): TurnState {
    return new TurnState({
      promptId,
      since: Number.POSITIVE_INFINITY,
      users: new Set([promptId]),
      assistants: new Map(),
      texts: new Map(),
      busy: false,
      reached: false,
      error: undefined,
    });
  }

  /** Whether the model is at work, or was. */
  get started(): boolean {
    return this.#fields.busy || this.#fields.assistants.size > 0;
  }

  /** Whether the prompt is on record. */
  get stored(): boolean {
    return this.#fields.texts.has(this.#fields.promptId);
  }

  /** Whether OpenCode has begun with the prompt, or refused it. */
  get begun(): boolean {
    return this.started || this.#fields.error !== undefined;
  }

  /** Whether the model has been asked, as far as its answers show. */
  get reached(): boolean {
    return this.#fields.reached;
  }

  /** The last text of the model, so far. */
  get summary(): string {
    const answers = this.#inOrder().filter(({ summary }) => !summary);
    return answers.map(({ id }) => this.#textOf(id)).findLast((text) => text !== '') ?? '';
  }

  onMessage(message: Message): TurnState {
    if (message.role === 'user') return this.#onUser(message.id, message.time.created);
    return this.#fields.users.has(message.parentID) ? this.#onAssistant(message) : this;
  }

  onPart(messageId: string): TurnState {
    return this.#fields.assistants.has(messageId) ? this.#with({ reached: true }) : this;
  }

  onText(messageId: string, partId: string, text: string): TurnState {
    const texts = new Map(this.#fields.texts.get(messageId)).set(partId, text);
    return this.#with({ texts: new Map(this.#fields.texts).set(messageId, texts) });
  }

  onError(error: OpenCodeError): TurnState {
    return this.#isOfTurnBefore(error) ? this : this.#with({ error });
  }

  onStatus(status: SessionStatus): TurnState {
    return status.type === 'idle' ? this : this.#with({ busy: true });
  }

  onRecords({ messages, status }: TurnRecords): TurnState {
    let next: TurnState = this;
    for (const { info, parts } of messages) {
      for (const part of parts) if (part.type === 'text') next = next.onText(info.id, part.id, part.text);
    }
    if (status.type !== 'idle') return next.onStatus(status);
    for (const { info, parts } of messages) {
      next = next.onMessage(info);
      if (parts.length > 0) next = next.onPart(info.id);
    }
    return next;
  }

  /** The verdict after an error, which `onError` has taken in. */
  verdictAfter(error: OpenCodeError): Verdict {
    return this.#fields.busy || this.#isOfTurnBefore(error) ? 'running' : 'unsure';
  }

  /** The verdict when the session's status becomes idle. */
  get verdictWhenIdle(): Verdict {
    const last = this.#inOrder().at(-1);
    return last?.time.completed !== undefined && !GOES_ON.has(last.finish ?? '')
      ? this.#ended(last)
      : 'unsure';
  }

  /** The verdict by OpenCode's own records, which `onRecords` has taken in. */
  verdictBy({ messages, status, background = 'none' }: TurnRecords): Verdict {
    const { busy, error } = this.#fields;
    if (status.type !== 'idle' || background === 'running') return 'running';
    if (background === 'lost') return this.#failed(ENGINE_LOST, 'interrupted');
    const last = this.#inOrder().at(-1);
    if (last && !error && isBetweenSteps(last, messages)) return this.#failed(ENGINE_LOST, 'interrupted');
    if (last?.time.completed !== undefined) return this.#ended(last);
    // The event of an abort comes before its message is complete.
    if (last) return this.#failed(isAbort(error) ? taskError(error) : ENGINE_LOST, 'interrupted');
    const mayBegin = !busy && messages.length > 0;
    if (error && !mayBegin) return this.#failed(taskError(error), 'error');
    return 'not started';
  }

  /** The outcome of a turn that did not start in time. */
  neverStarted(limitMs: number): TurnOutcome {
    const message = `OpenCode accepted the prompt but did not start on it within ${limitMs / 1000} s.`;
    return this.#failed({ code: 'TURN_NEVER_STARTED', message }, 'error');
  }

  /** The outcome of a turn whose model has been silent for too long. */
  stalled(limitMs: number): TurnOutcome {
    const message = `Nothing came from the model for ${limitMs / 1000} s (STALL_TIMEOUT_MS), and no tool was at work.`;
    return this.#failed({ code: 'TURN_STALLED', message }, 'interrupted');
  }

  interrupted(): TurnOutcome {
    return { kind: 'interrupted', summary: this.summary };
  }

  /** A new message after an error: OpenCode has recovered from it. */
  #onAssistant(message: AssistantMessage): TurnState {
    const { assistants, error } = this.#fields;
    const next = new Map(assistants).set(message.id, message);
    return this.#with({ assistants: next, error: assistants.has(message.id) ? error : undefined });
  }

  /** Messages that join the running turn count as its prompt too; those of earlier turns do not. */
  #onUser(id: string, created: number): TurnState {
    const { promptId, since, users } = this.#fields;
    if (id === promptId) return this.#with({ since: created });
    return created >= since ? this.#with({ users: new Set(users).add(id) }) : this;
  }

  /** An abort before the turn has begun is that of the turn before. */
  #isOfTurnBefore(error: OpenCodeError): boolean {
    return !this.#fields.busy && isAbort(error);
  }

  #ended(last: AssistantMessage): TurnOutcome {
    const { error } = this.#fields;
    if (last.error) return this.#failed(taskError(last.error), last.finish ?? 'error');
    const finish = last.finish ?? 'unknown';
    if (finish === 'length') return this.#failed(OUTPUT_LIMIT, finish);
    if (last.finish === undefined || GOES_ON.has(last.finish)) {
      return this.#failed(error ? taskError(error) : TURN_STOPPED, finish);
    }
    return { kind: 'completed', summary: this.summary, finish };
  }

  #failed(error: TaskError, finish: string): TurnOutcome {
    return { kind: 'failed', summary: this.summary, finish, error };
  }

  #textOf(messageId: string): string {
    return [...(this.#fields.texts.get(messageId)?.values() ?? [])].join('\n\n').trim();
  }

  #inOrder(): AssistantMessage[] {
    return [...this.#fields.assistants.values()].sort(
      (a, b) => a.time.created - b.time.created || (a.id < b.id ? -1 : 1),
    );
  }

  #with(change: Partial<Fields>): TurnState {
    return new TurnState({ ...this.#fields, ...change });
  }
}

/** OpenCode is idle although it had to ask the model once more: its tools had answered, none was refused. */
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
