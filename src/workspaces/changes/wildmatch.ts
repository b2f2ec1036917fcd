type Test = (code: number) => boolean;
/** One piece of a pattern: any run of bytes, or one byte. */
type Piece = '*' | Test;

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /\p{Cc}/u,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t-\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

/**
 * Whether a segment of an ignore pattern matches a name, as in git's wildmatch.c; both are latin1. The time is bounded
 * by the product of both lengths.
 */
export function matchesName(segment: string, name: string): boolean {
  const pieces = parse(segment);
  if (pieces === undefined) return false;
  let [at, on] = [0, 0];
  let retry: { at: number; on: number } | undefined;
  while (at < name.length) {
    const piece = pieces[on];
    if (piece === '*') {
      on += 1;
      retry = { at, on };
    } else if (piece?.(name.charCodeAt(at))) {
      at += 1;
      on += 1;
    } else if (retry) {
      retry.at += 1; // backtrack: the last "*" takes one more byte
      ({ at, on } = retry);
    } else return false;
  }
  return pieces.slice(on).every((piece) => piece === '*');
}

/** Undefined for an invalid pattern, which matches nothing. */
function parse(segment: string): Piece[] | undefined {
  const pieces: Piece[] = [];
  for (let at = 0; at < segment.length; at += 1) {
    const character = segment.charAt(at);
    if (character === '*') pieces.push('*');
    else if (character === '?') pieces.push(() => true);
    else if (character === '[') {
      const set = parseSet(segment, at + 1);
      if (set === undefined) return undefined;
      pieces.push(set.test);
      at = set.end;
    } else {
      if (character === '\\') at += 1;
      if (at === segment.length) return undefined;
      pieces.push(is(segment.charCodeAt(at)));
    }
  }
  return pieces;
}

/** Parses a bracket expression after its opening bracket; `end` is the position of the closing one. */
function parseSet(segment: string, start: number): { test: Test; end: number } | undefined {
  const tests: Test[] = [];
  const negated = /[!^]/.test(segment.charAt(start));
  const first = negated ? start + 1 : start;
  let previous: number | undefined;
  for (let at = first; at < segment.length; at += 1) {
    const character = segment.charAt(at);
    if (character === ']' && at > first) {
      return { test: (code) => tests.some((test) => test(code)) !== negated, end: at };
    }
    const named = /^\[:([^\]]*):\]/.exec(segment.slice(at));
    const isRange = character === '-' && previous !== undefined && /[^\]]/.test(segment.charAt(at + 1));
    if (named) {
      const known = CLASSES[named[1] ?? ''];
      if (known === undefined) return undefined;
      tests.push((code) => known.test(String.fromCharCode(code)));
      at += named[0].length - 1;
      previous = undefined;
      continue;
    }
    if (isRange) at += 1;
    if (segment.charAt(at) === '\\') at += 1;
    if (at === segment.length) return undefined;
    const [low, high] = [previous ?? 0, segment.charCodeAt(at)];
    tests.push(isRange ? (code) => code >= low && code <= high : is(high));
    previous = isRange ? undefined : high;
  }
  return undefined;
}

function is(wanted: number): Test {
  return (code) => code === wanted;
}
