import type { Prompt } from '../runners/runner.ts';
import { DESCRIPTION_SEQ } from '../runners/sent-prompts.ts';
import type { TaskEventBody } from '../tasks/events.ts';

/** A message to the agent, with the number of its event. */
export interface PendingMessage {
  seq: number;
  text: string;
}

/** The messages to one task's agent that are not sent yet, in order; a prompt contains all of them. */
export class PromptQueue {
  readonly #taskId: string;
  #pending: readonly PendingMessage[];

  constructor(taskId: string, pending: readonly PendingMessage[]) {
    this.#taskId = taskId;
    this.#pending = pending;
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  /** How many messages are pending, without the description. */
  get messages(): number {
    return this.#pending.filter(({ seq }) => seq !== DESCRIPTION_SEQ).length;
  }

  add(message: PendingMessage): void {
    this.#pending = [...this.#pending, message];
  }

  /** A prompt with all pending messages. They stay pending until its id is recorded, right before it is sent. */
  prompt(sessionId: string, append: (...events: TaskEventBody[]) => unknown): Prompt {
    const messages = this.#pending;
    const seqs = messages.map(({ seq }) => seq);
    const record = (promptId: string): void => {
      this.#pending = this.#pending.filter((message) => !messages.includes(message));
      append(...sent(seqs, sessionId, promptId));
    };
    return {
      text: messages.map(({ text }) => text).join('\n\n'),
      key: `${this.#taskId}:${seqs.join()}`,
      record,
    };
  }
}

function sent(seqs: readonly number[], session_id: string, prompt_id: string): TaskEventBody[] {
  const message_seqs = seqs.filter((seq) => seq !== DESCRIPTION_SEQ);
  const events: TaskEventBody[] = [];
  if (message_seqs.length < seqs.length) events.push({ kind: 'attached', session_id, prompt_id });
  if (message_seqs.length > 0) events.push({ kind: 'message_sent', message_seqs, prompt_id });
  return events;
}
