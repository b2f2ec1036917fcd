import type { Prompt } from '../runners/runner.ts';
import { DESCRIPTION_SEQ } from '../runners/sent-prompts.ts';
import type { TaskEventBody } from '../tasks/events.ts';

/** A message to the agent, with the number of its event. */
export interface PendingMessage {
  seq: number;
  text: string;
}

/** The messages that one task's agent has not been sent, in order; a prompt takes all of them. */
export class PromptQueue {
  readonly #taskId: string;
  #waiting: readonly PendingMessage[];

  constructor(taskId: string, waiting: readonly PendingMessage[]) {
    this.#taskId = taskId;
    this.#waiting = waiting;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** How many messages wait, without the description. */
  get messages(): number {
    return this.#waiting.filter(({ seq }) => seq !== DESCRIPTION_SEQ).length;
  }

  add(message: PendingMessage): void {
    this.#waiting = [...this.#waiting, message];
  }

  /** A prompt with all pending messages. They stay pending until its id is recorded, right before it is sent. */
  prompt(sessionId: string, append: (...events: TaskEventBody[]) => unknown): Prompt {
    const messages = this.#waiting;
    const seqs = messages.map(({ seq }) => seq);
    const record = (promptId: string): void => {
      this.#waiting = this.#waiting.filter((message) => !messages.includes(message));
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
