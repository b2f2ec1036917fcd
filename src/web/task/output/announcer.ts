import { signal } from '@preact/signals';
import { visible } from '../../parts/plain-text.ts';
import { headOf } from './row-text.ts';
import type { LogRow, NoteRow } from './rows.ts';

/** The least time between two announcements: long enough to hear one. */
const PAUSE_MS = 4_000;
const MAX_TEXT = 200;

/** The more important ones win; rows of other tones are not announced. */
const IMPORTANCE: Partial<Record<NoteRow['tone'], number>> = {
  model: 1,
  warning: 2,
  ok: 3,
  error: 4,
  ask: 5,
};

/**
 * What a screen reader says of new rows: now and then one, the most important since the last. What was there when the
 * page was opened is not said.
 */
export class Announcer {
  readonly text = signal('');
  readonly #isOld: (row: LogRow) => boolean;
  #next: { text: string; importance: number } | undefined;
  #waiting = false;

  constructor(isOld: (row: LogRow) => boolean) {
    this.#isOld = isOld;
  }

  add(row: LogRow): void {
    const importance = row.type === 'note' ? IMPORTANCE[row.tone] : undefined;
    if (importance === undefined || this.#isOld(row) || importance < (this.#next?.importance ?? 0)) return;
    const text = `${headOf(row)} ${row.text.slice(0, MAX_TEXT)}`.trim();
    this.#next = { text: visible(text), importance };
    if (!this.#waiting) this.#say();
  }

  #say(): void {
    this.#waiting = this.#next !== undefined;
    if (!this.#next) return;
    this.text.value = this.#next.text;
    this.#next = undefined;
    setTimeout(() => this.#say(), PAUSE_MS);
  }
}
