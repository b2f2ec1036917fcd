import { matchesName } from './wildmatch.ts';

/** Bytes of a pattern that is tied to a folder; no path is longer. */
const LONGEST = 4_096;
/** In so many ways at once does no pattern match a path that is not made for it. */
const MOST_WAYS = 16;
const BYTE_ORDER_MARK = '\xef\xbb\xbf';

/** A line of an ignore file, seen from a folder below. */
export interface Rule {
  /** It takes back what another one ignores. */
  negated: boolean;
  /** What that folder would have in an ignore file of its own; nothing where it is about other places. */
  patterns: string[];
  /** How far down the way it matches: 1 is the first folder on it, the last is the folder itself. */
  matches: number[];
}

/** The rules of an ignore file for the folder to which `way` leads down; texts are latin1, for their bytes. */
export function rulesForFolder(file: string, way: readonly string[]): Rule[] {
  return (file.startsWith(BYTE_ORDER_MARK) ? file.slice(BYTE_ORDER_MARK.length) : file)
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ruleBelow(line, way));
}

// https://git-scm.com/docs/gitignore: a slash in the beginning or middle ties a pattern to the folder of its file.
function ruleBelow(line: string, way: readonly string[]): Rule {
  const negated = line.startsWith('!');
  const pattern = trimmed(negated ? line.slice(1) : line);
  const folder = pattern.endsWith('/') ? '/' : '';
  const body = pattern.slice(0, pattern.length - folder.length);
  if (way.length === 0) return { negated, patterns: [line], matches: [] };
  if (body.length > LONGEST) return { negated, patterns: body.includes('/') ? [] : [line], matches: [] };
  if (!body.includes('/')) {
    const matches = way.flatMap((name, at) => (matchesName(body, name) ? [at + 1] : []));
    return { negated, patterns: [line], matches };
  }
  const { rests, matches } = follow(body.replace(/^\//, ''), way);
  return { negated, patterns: rests.map((rest) => `${negated ? '!' : ''}/${rest}${folder}`), matches };
}

/** Without the spaces at its end, but for one behind a backslash. */
function trimmed(pattern: string): string {
  let end = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const escaped = pattern.charAt(at) === '\\';
    if (escaped) at += 1;
    if (escaped || pattern.charAt(at) !== ' ') end = at + 1;
  }
  return pattern.slice(0, end);
}

/** Which of those folders a pattern matches, and what of it is left behind them, each way in which it can match. */
function follow(body: string, way: readonly string[]): { rests: string[]; matches: number[] } {
  const segments = body.split('/').filter((it, at, all) => it !== '**' || all[at - 1] !== '**');
  const matches: number[] = [];
  let places = new Set([0]);
  for (const [depth, name] of way.entries()) {
    const next = new Set<number>();
    for (const place of places) {
      const spans = segments[place] === '**';
      if (spans) next.add(place);
      const segment = segments[spans ? place + 1 : place];
      if (segment !== undefined && matchesName(segment, name)) next.add(place + (spans ? 2 : 1));
    }
    const spansToTheEnd = segments.at(-1) === '**' && places.has(segments.length - 1);
    if (spansToTheEnd || next.has(segments.length)) matches.push(depth + 1);
    places = next;
  }
  const left = [...places].filter((place) => place < segments.length).sort((a, b) => a - b);
  // What is left from a later "**" on says all that is left from before it.
  const first = Math.max(
    0,
    left.findLastIndex((place) => segments[place] === '**'),
    left.length - MOST_WAYS,
  );
  return { rests: left.slice(first).map((place) => segments.slice(place).join('/')), matches };
}
