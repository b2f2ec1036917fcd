import { signal } from '@preact/signals';
import { api, Problem } from '../api/client.ts';
import { unreachable } from '../api/problem.ts';
import { base } from '../links.ts';
import { type Draft, EMPTY_DRAFT, keyFor, parseStored, type Sent } from './draft.ts';
import { executeBody, type FieldErrors } from './execute-request.ts';
import { fieldErrorsOf } from './field-errors.ts';

/**
 * The form: idle → sending → done, or → idle with errors. What is typed is stored at once, and removed when the task
 * exists. The key of a request is stored before it is sent, so that the same request after a lost answer, a second
 * click or a reload gives the same task.
 */
export class DraftForm {
  readonly draft = signal<Draft>(EMPTY_DRAFT);
  readonly errors = signal<FieldErrors>({});
  /** What is wrong with no field in particular. */
  readonly problem = signal<Problem | undefined>(undefined);
  readonly sending = signal(false);
  readonly #continues: string | undefined;
  readonly #key: string;
  #sent: Sent | undefined;

  /** `continues`: the task that the new one continues; it has a draft of its own. */
  constructor(continues: string | undefined) {
    this.#continues = continues;
    this.#key = ['draft', base.pathname, ...(continues === undefined ? [] : [continues])].join(' ');
    const stored = parseStored(localStorage.getItem(this.#key));
    if (!stored) return;
    this.draft.value = stored.draft;
    this.#sent = stored.sent;
  }

  set(changes: Partial<Draft>): void {
    this.draft.value = { ...this.draft.value, ...changes };
    const left = Object.entries(this.errors.value).filter(([field]) => !(field in changes));
    this.errors.value = Object.fromEntries(left);
    this.#store();
  }

  clear(): void {
    this.#sent = undefined;
    this.draft.value = EMPTY_DRAFT;
    this.errors.value = {};
    this.problem.value = undefined;
    localStorage.removeItem(this.#key);
  }

  /** Hands the task over; answers with its id, or with undefined if that failed or is under way. */
  async execute(owner: string | undefined): Promise<string | undefined> {
    if (this.sending.value) return undefined;
    const request = executeBody(this.draft.value, this.#continues);
    this.problem.value = undefined;
    this.errors.value = 'errors' in request ? request.errors : {};
    if ('errors' in request) return undefined;
    this.sending.value = true;
    const body = JSON.stringify({ ...request.body, owner });
    this.#sent = { key: keyFor(this.#sent, body, newKey), body };
    this.#store();
    try {
      const query = { agent_id: owner };
      const idempotent = { ...request.body, idempotency_key: this.#sent.key };
      const { execution_id } = await api.post<{ execution_id: string }>('/tasks/execute', idempotent, query);
      this.clear();
      return execution_id;
    } catch (thrown) {
      const problem = thrown instanceof Problem ? thrown : unreachable(thrown);
      const { errors, rest } = fieldErrorsOf(problem, this.#continues !== undefined);
      this.errors.value = errors;
      this.problem.value = rest;
      return undefined;
    } finally {
      this.sending.value = false;
    }
  }

  #store(): void {
    try {
      localStorage.setItem(this.#key, JSON.stringify({ draft: this.draft.value, sent: this.#sent }));
    } catch {
      // The text is longer than the browser stores: it lives as long as the page.
      localStorage.removeItem(this.#key);
    }
  }
}

/** `crypto.randomUUID` exists only over https and on this machine. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
