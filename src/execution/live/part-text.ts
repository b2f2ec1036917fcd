import { tail } from '../../text.ts';
import { continuation } from './continuation.ts';

/** The longest text of a frame. */
export const MAX_TEXT = 16_384;
/** How much is shown of a text that does not continue the one before. */
const RESET_TEXT = 8_192;

/** The end of a whole text that is compared with the next one; OpenCode shows 30,000 characters. */
const MAX_WHOLE = 32_768;

/** What is new of a part since it was taken last. */
export interface NewText {
  text: string;
  gap: boolean;
  reset: boolean;
}

/** The text of one part, which grows. */
interface PartText {
  /** What is new, at most `MAX_TEXT`; undefined if nothing is. */
  take(): NewText | undefined;
}

/** Text that comes by pieces. */
export class AppendedText implements PartText {
  #pending = '';
  #gap: boolean;

  /** `gap`: its beginning was not seen. */
  constructor(gap: boolean) {
    this.#gap = gap;
  }

  append(text: string): void {
    this.#pending += text;
    // Cut at twice the limit, so that the cost of a cut is spread over as much text as it drops.
    if (this.#pending.length > 2 * MAX_TEXT) this.#cut();
  }

  /** What was not taken yet is dropped: behind it, text is missing. */
  skip(): void {
    this.#pending = '';
    this.#gap = true;
  }

  take(): NewText | undefined {
    if (this.#pending.length > MAX_TEXT) this.#cut();
    const whole = withoutOpenPair(this.#pending);
    // The second half of a character whose first half was not seen.
    const text = (this.#gap ? whole.replace(/^[\uDC00-\uDFFF]/, '') : whole).toWellFormed();
    if (text === '') return undefined;
    const gap = this.#gap;
    this.#pending = this.#pending.slice(whole.length);
    this.#gap = false;
    return { text, gap, reset: false };
  }

  #cut(): void {
    this.#pending = copyOfEnd(this.#pending, MAX_TEXT);
    this.#gap = true;
  }
}

/** Text that comes as a whole each time; if it is long, only its end comes. */
export class WholeText implements PartText {
  /** What was taken so far; undefined if the beginning was not seen. */
  #shown: string | undefined;
  #now: { text: string; isEnd: boolean } | undefined;

  constructor(begins: boolean) {
    this.#shown = begins ? '' : undefined;
  }

  show(text: string, isEnd: boolean): void {
    const isLong = text.length > MAX_WHOLE;
    this.#now = { text: isLong ? copyOfEnd(text, MAX_WHOLE) : text, isEnd: isEnd || isLong };
  }

  take(): NewText | undefined {
    if (!this.#now) return undefined;
    const text = withoutOpenPair(this.#now.text);
    const { isEnd } = this.#now;
    const before = this.#shown;
    const added = before === undefined ? undefined : continuation(before, text, isEnd);
    this.#now = undefined;
    this.#shown = text;
    if (added === '') return undefined;
    if (added !== undefined) {
      const gap = added.length > MAX_TEXT;
      return { text: tail(added, MAX_TEXT).toWellFormed(), gap, reset: false };
    }
    // The end of a text that went on too fast continues what was shown; any other text replaces it.
    const skipped = before !== undefined && isEnd;
    return { text: tail(text, RESET_TEXT).toWellFormed(), gap: skipped, reset: !skipped };
  }
}

/** The last characters of a text; a slice would keep all of the text in memory. */
function copyOfEnd(text: string, limit: number): string {
  return Buffer.from(tail(text, limit), 'utf16le').toString('utf16le');
}

/** Without the first half of a character whose second half is still to come. */
function withoutOpenPair(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}
