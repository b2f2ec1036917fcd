/** What a row of the screen showed, and from when until when; without an end it is still there. */
export interface Shown {
  row: number;
  text: string;
  fromMs: number;
  toMs: number | undefined;
}

/** A piece of terminal output with the time of its arrival. */
export interface Chunk {
  atMs: number;
  text: string;
}

// Sequences that move or erase within a row, sequences that change only the look, other characters.
const TOKEN = new RegExp(
  [
    String.raw`\u001b\[(?<count>\d*)(?<final>[A-Z])`,
    String.raw`\u001b\[[0-9;?]*[a-z]`,
    String.raw`(?<newline>\r?\n)`,
    String.raw`(?<return>\r)`,
    String.raw`(?<plain>[^\u001b\r\n]+)`,
  ].join('|'),
  'g',
);

/**
 * The rows of a terminal over time. It knows what the demo and its spinner write: lines, wrapping at
 * `columns`, carriage return, cursor up, cursor to column 1, erase row. Colours are dropped.
 */
export function replayTerminal(chunks: readonly Chunk[], columns: number): Shown[] {
  const screen = new Screen(columns);
  for (const { atMs, text } of chunks) {
    for (const { groups = {} } of text.matchAll(TOKEN)) screen.apply(groups);
    screen.record(atMs);
  }
  return screen.shown;
}

class Screen {
  readonly shown: Shown[] = [];
  readonly #columns: number;
  readonly #rows: string[] = [''];
  readonly #current = new Map<number, Shown>();
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  apply(token: Record<string, string | undefined>): void {
    if (token.plain !== undefined) for (const character of token.plain) this.#put(character);
    else if (token.newline !== undefined) this.#nextRow();
    else if (token.return !== undefined || token.final === 'G') this.#column = 0;
    else if (token.final === 'A') this.#row = Math.max(0, this.#row - Number(token.count || 1));
    else if (token.final === 'K') this.#rows[this.#row] = this.#text().slice(0, this.#column);
  }

  /** Rows that differ from what was shown before begin to be shown now. */
  record(atMs: number): void {
    for (const [row, line] of this.#rows.entries()) {
      const text = line.trimEnd();
      const before = this.#current.get(row);
      if ((before?.text ?? '') === text) continue;
      if (before) before.toMs = atMs;
      this.#current.delete(row);
      if (text === '') continue;
      const next: Shown = { row, text, fromMs: atMs, toMs: undefined };
      this.#current.set(row, next);
      this.shown.push(next);
    }
  }

  #put(character: string): void {
    if (this.#column === this.#columns) this.#nextRow();
    const line = [...this.#text().padEnd(this.#column)];
    line[this.#column] = character;
    this.#rows[this.#row] = line.join('');
    this.#column += 1;
  }

  #nextRow(): void {
    this.#row += 1;
    this.#column = 0;
    this.#rows[this.#row] ??= '';
  }

  #text(): string {
    return this.#rows[this.#row] ?? '';
  }
}
