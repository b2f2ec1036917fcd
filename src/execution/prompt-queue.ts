import type { Prompt } from '../runners/runner.ts';
import { DESCRIPTION_SEQ } from '../runners/sent-prompts.ts';
import type { TaskEventBody } from '../tasks/events.ts';

/** What has to be said to the agent, by the event that says it. */
export interface PendingMessage {
  seq: number;
  text: string;
}

/** What waits to be said to the agent of one task, in order; a prompt takes all of it. */
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

  /** How many messages wait, the description not among them. */
  get messages(): number {
    return this.#waiting.filter(({ seq }) => seq !== DESCRIPTION_SEQ).length;
  }

  add(saying: PendingMessage): void {
    this.#waiting = [...this.#waiting, saying];
  }

  /** A prompt that says all that waits. It waits on until the prompt's id is recorded, right before it leaves. */
  prompt(sessionId: string, append: (...events: TaskEventBody[]) => unknown): Prompt {
    const said = this.#waiting;
    const seqs = said.map(({ seq }) => seq);
    const record = (promptId: string): void => {
      this.#waiting = this.#waiting.filter((saying) => !said.includes(saying));
      append(...sent(seqs, sessionId, promptId));
    };
    return { text: said.map(({ text }) => text).join('\n\n'), key: `${this.#taskId}:${seqs.join()}`, record };
  }
}

function sent(seqs: readonly number[], session_id: string, prompt_id: string): TaskEventBody[] {
  const message_seqs = seqs.filter((seq) => seq !== DESCRIPTION_SEQ);
  const events: TaskEventBody[] = [];
  if (message_seqs.length < seqs.length) events.push({ kind: 'attached', session_id, prompt_id });
  if (message_seqs.length > 0) events.push({ kind: 'message_sent', message_seqs, prompt_id });
  return events;
}
