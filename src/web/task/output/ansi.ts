/** An index of the palette of 256 colours, or red, green and blue. */
export type Color = number | readonly [red: number, green: number, blue: number];

export interface Style {
  readonly foreground?: Color;
  readonly background?: Color;
  readonly bold?: true;
  readonly dim?: true;
  readonly italic?: true;
  readonly underline?: true;
  readonly strike?: true;
  readonly inverse?: true;
}

/** A part of a text that looks other than the rest; the offsets are those of the plain text. */
export interface Run {
  start: number;
  end: number;
  style: Style;
}

/** A text without its escape sequences, and how it looks. */
export interface StyledText {
  plain: string;
  /** In order, without overlaps; what is in none of them is plain. */
  runs: readonly Run[];
}

const ESC = '\u001b';
const BEL = '\u0007';
/** A longer text keeps its sequences, visibly: no program colours so much at once. */
const MAX_TEXT = 500_000;
/** Further runs are shown without a style. */
const MAX_RUNS = 2_000;
/** Further changes of style are dropped like other sequences. */
const MAX_CHANGES = 10_000;
/** A longer sequence is none, so that one that never ends hides nothing but itself. */
const MAX_SEQUENCE = 1_000;
const NO_STYLE: Style = {};

/**
 * Applies the colours and styles (SGR) of a text and drops its other escape sequences. An ESC that begins no sequence
 * stays in the text, and concealed text is shown: nothing can be hidden.
 */
export function parseAnsi(text: string): StyledText {
  let at = text.indexOf(ESC);
  if (at === -1 || text.length > MAX_TEXT) return { plain: text, runs: [] };
  const runs: Run[] = [];
  const pieces: string[] = [];
  let style = NO_STYLE;
  let changes = 0;
  let length = 0;
  let from = 0;
  const push = (piece: string): void => {
    if (piece === '') return;
    pieces.push(piece);
    const start = length;
    length += piece.length;
    const last = runs.at(-1);
    if (last?.style === style && last.end === start) last.end = length;
    else if (style !== NO_STYLE && runs.length < MAX_RUNS) runs.push({ start, end: length, style });
  };
  while (at !== -1) {
    const end = endOfSequence(text, at);
    push(text.slice(from, end === undefined ? at + 1 : at));
    from = end ?? at + 1;
    if (end !== undefined && text[at + 1] === '[' && text[end - 1] === 'm') {
      changes += 1;
      const isBounded = changes <= MAX_CHANGES && runs.length < MAX_RUNS;
      style = isBounded ? applySgr(style, text.slice(at + 2, end - 1)) : NO_STYLE;
    }
    at = text.indexOf(ESC, from);
  }
  push(text.slice(from));
  return { plain: pieces.join(''), runs };
}

/** Where the sequence at `start` ends; undefined if there is none. One that the end of the text cuts off counts. */
function endOfSequence(text: string, start: number): number | undefined {
  const type = text[start + 1];
  if (type === undefined) return text.length;
  if (type === '[') return endOfControl(text, start + 2);
  if (']PX^_'.includes(type)) return endOfString(text, start + 2);
  return endOf(text, start + 1, ' ', '/', '0', '~');
}

/** CSI: parameters, intermediate characters, one final character. */
function endOfControl(text: string, start: number): number | undefined {
  const limit = start + MAX_SEQUENCE;
  let at = start;
  while (at < limit && isWithin(text, at, '0', '?')) at += 1;
  return at < limit ? endOf(text, at, ' ', '/', '@', '~') : undefined;
}

/** Any number of characters of one range, then one of another. */
function endOf(
  text: string,
  start: number,
  first: string,
  last: string,
  firstFinal: string,
  lastFinal: string,
): number | undefined {
  const limit = start + MAX_SEQUENCE;
  let at = start;
  while (at < limit && isWithin(text, at, first, last)) at += 1;
  if (at >= text.length) return text.length;
  return isWithin(text, at, firstFinal, lastFinal) ? at + 1 : undefined;
}

/** OSC and the like: a text of one line up to BEL or ST; titles and links of terminals. */
function endOfString(text: string, start: number): number | undefined {
  const limit = Math.min(text.length, start + MAX_SEQUENCE);
  for (let at = start; at < limit; at += 1) {
    const character = text[at];
    if (character === BEL) return at + 1;
    if (character === ESC) return text[at + 1] === '\\' ? at + 2 : undefined;
    if (character === '\n') return undefined;
  }
  return limit === text.length ? limit : undefined;
}

function isWithin(text: string, at: number, first: string, last: string): boolean {
  const character = text[at];
  return character !== undefined && character >= first && character <= last;
}

/** The style after an SGR sequence with these parameters. */
function applySgr(before: Style, parameters: string): Style {
  // `38:5:1` is one parameter with parts, `38;5;1` the same as three.
  const codes = parameters.split(';').map((parameter) => parameter.split(':').map(Number));
  let style: Style = before;
  while (codes.length > 0) style = applyCode(style, codes);
  return Object.keys(style).length === 0 ? NO_STYLE : style;
}

const SET: Record<number, Style> = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
};

const CLEAR: Record<number, readonly (keyof Style)[]> = {
  22: ['bold', 'dim'],
  23: ['italic'],
  24: ['underline'],
  27: ['inverse'],
  29: ['strike'],
  39: ['foreground'],
  49: ['background'],
};

/** Takes the first code, with the codes that belong to it. */
function applyCode(style: Style, codes: number[][]): Style {
  const parts = codes.shift() ?? [];
  const [code = 0] = parts;
  if (code === 0) return NO_STYLE;
  if (code === 4 && parts[1] === 0) return without(style, ['underline']);
  const cleared = CLEAR[code];
  if (cleared) return without(style, cleared);
  if (code === 38 || code === 48 || code === 58) return extended(style, code, parts, codes);
  const set = SET[code] ?? ofSixteen(code);
  return set ? { ...style, ...set } : style;
}

function ofSixteen(code: number): Style | undefined {
  if (code >= 30 && code <= 37) return { foreground: code - 30 };
  if (code >= 90 && code <= 97) return { foreground: code - 82 };
  if (code >= 40 && code <= 47) return { background: code - 40 };
  if (code >= 100 && code <= 107) return { background: code - 92 };
  return undefined;
}

/** 38 and 48 choose a colour of 256 or any; 58, the colour of underlines, is skipped with its parameters. */
function extended(style: Style, code: number, parts: number[], codes: number[][]): Style {
  const hasParts = parts.length > 1;
  const mode = hasParts ? parts[1] : codes.shift()?.[0];
  const count = mode === 5 ? 1 : mode === 2 ? 3 : 0;
  const values = hasParts ? parts.slice(-count) : codes.splice(0, count).map(([value = 0]) => value);
  if (count === 0 || values.length < count || !values.every(isByte)) return style;
  const [red = 0, green = 0, blue = 0] = values;
  const color: Color = count === 1 ? red : [red, green, blue];
  if (code === 38) return { ...style, foreground: color };
  return code === 48 ? { ...style, background: color } : style;
}

function isByte(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}

function without(style: Style, names: readonly (keyof Style)[]): Style {
  return Object.fromEntries(
    Object.entries(style).filter(([name]) => !names.some((cleared) => cleared === name)),
  );
}
