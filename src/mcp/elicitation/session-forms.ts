import type { Logger } from '../../logger.ts';
import type { InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import type { ToolServices } from '../tool.ts';
import { applyAnswer } from './apply-answer.ts';
import { type ElicitRequest, formOf } from './form.ts';
import type { FormOutcome, Forms } from './forms.ts';

/** How many closed forms a session remembers. */
const MAX_REMEMBERED = 1_000;

/** Sends a form on the stream of one call; resolves with what the client answers, rejects with its error. */
export type SendForm = (form: ElicitRequest, withdraw: AbortSignal) => Promise<unknown>;

/** The forms of one session: each request is shown by one call at a time, and not again once its form was closed. */
export class SessionForms {
  readonly #options: { services: ToolServices; logger: Logger };
  readonly #dismissed = new Set<string>();
  readonly #shown = new Map<string, Promise<FormOutcome>>();

  constructor(options: { services: ToolServices; logger: Logger }) {
    this.#options = options;
  }

  /** The forms of one call. */
  over(send: SendForm): Forms {
    return {
      shows: (task, request) => !this.#dismissed.has(keyOf(task, request)),
      ask: (task, request, withdraw) => this.#ask(task, request, withdraw, send),
    };
  }

  /** A second call that waits for the same request shares the form of the first. */
  #ask(task: Task, request: InputRequest, withdraw: AbortSignal, send: SendForm): Promise<FormOutcome> {
    const key = keyOf(task, request);
    const shown = this.#shown.get(key);
    if (shown) return shown;
    const asked = this.#exchange(task, request, withdraw, send).finally(() => this.#shown.delete(key));
    this.#shown.set(key, asked);
    return asked;
  }

  async #exchange(
    task: Task,
    request: InputRequest,
    signal: AbortSignal,
    send: SendForm,
  ): Promise<FormOutcome> {
    // Detached once there is an answer: the SDK would withdraw an answered form too.
    const withdraw = new AbortController();
    const onAbort = (): void => withdraw.abort(signal.reason);
    if (signal.aborted) return 'withdrawn';
    signal.addEventListener('abort', onAbort);
    try {
      const given = await send(formOf(request), withdraw.signal).finally(() =>
        signal.removeEventListener('abort', onAbort),
      );
      const outcome = await applyAnswer(task, request, given, this.#options);
      if (outcome === 'dismissed') this.#remember(keyOf(task, request));
      return outcome;
    } catch {
      // The client refused the form, or is gone.
      return withdraw.signal.aborted ? 'withdrawn' : 'unusable';
    }
  }

  #remember(key: string): void {
    this.#dismissed.add(key);
    const [oldest] = this.#dismissed;
    if (this.#dismissed.size > MAX_REMEMBERED && oldest !== undefined) this.#dismissed.delete(oldest);
  }
}

function keyOf(task: Task, request: InputRequest): string {
  return `${task.id} ${request.id}`;
}
