import { stripVTControlCharacters } from 'node:util';
import type { LiveFrame } from '../tasks/live-frame.ts';
import { tail } from '../text.ts';

const MAX_LINE = 120;
/** What is remembered of a part: a line, and room for its control sequences. */
const REMEMBERED = 2_000;

/** The last line of the live text of a task. */
export class LiveLine {
  #part: string | undefined;
  #text = '';

  /** The line after one more frame, at most 120 characters; undefined if it is blank. */
  after({ part, text, gap, reset }: LiveFrame): string | undefined {
    const continues = part === this.#part && !gap && !reset;
    this.#part = part;
    this.#text = tail((continues ? this.#text : '') + text, REMEMBERED);
    const line = stripVTControlCharacters(this.#text)
      .split(/[\r\n]+/)
      .map((it) => it.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim())
      .findLast((it) => it !== '');
    if (line === undefined || line.length <= MAX_LINE) return line;
    return `…${tail(line, MAX_LINE - 1)}`;
  }
}
