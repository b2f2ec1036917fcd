import { matchesName } from './wildmatch.ts';

/** Bytes of an anchored pattern; no path is longer. */
const MAX_PATTERN = 4_096;
/** How many remainders of a pattern are kept; a pattern has more only where it is made to. */
const MAX_REMAINDERS = 16;
const BYTE_ORDER_MARK = '\xef\xbb\xbf';

/** A line of an ignore file, translated for a folder below that file. */
export interface Rule {
  /** Whether it starts with `!`: it includes again what an earlier rule ignores. */
  negated: boolean;
  /** The same rule for an ignore file in that folder; empty where the rule does not concern the folder. */
  patterns: string[];
  /** The folders on the path that it matches, by depth: 1 is the first one, the last is the folder itself. */
  matches: number[];
}

/** The rules of an ignore file for a folder below it; `path` has the folder names down to it. All texts are latin1. */
export function rulesForFolder(file: string, path: readonly string[]): Rule[] {
  return (file.startsWith(BYTE_ORDER_MARK) ? file.slice(BYTE_ORDER_MARK.length) : file)
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => translateRule(line, path));
}

// https://git-scm.com/docs/gitignore: a slash at the beginning or in the middle anchors a pattern to
// the folder of its file.
function translateRule(line: string, path: readonly string[]): Rule {
  const negated = line.startsWith('!');
  const pattern = trimmed(negated ? line.slice(1) : line);
  const folder = pattern.endsWith('/') ? '/' : '';
  const body = pattern.slice(0, pattern.length - folder.length);
  if (path.length === 0) return { negated, patterns: [line], matches: [] };
  if (body.length > MAX_PATTERN) return { negated, patterns: body.includes('/') ? [] : [line], matches: [] };
  if (!body.includes('/')) {
    const matches = path.flatMap((name, at) => (matchesName(body, name) ? [at + 1] : []));
    return { negated, patterns: [line], matches };
  }
  const { remainders, matches } = matchAlong(body.replace(/^\//, ''), path);
  return { negated, patterns: remainders.map((rest) => `${negated ? '!' : ''}/${rest}${folder}`), matches };
}

/** The pattern without trailing spaces, except an escaped one. */
function trimmed(pattern: string): string {
  let end = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const escaped = pattern.charAt(at) === '\\';
    if (escaped) at += 1;
    if (escaped || pattern.charAt(at) !== ' ') end = at + 1;
  }
  return pattern.slice(0, end);
}

/**
 * Matches a pattern along the path: the depths that it matches, and what remains of it behind the last folder. A `**`
 * makes several remainders possible.
 */
function matchAlong(body: string, path: readonly string[]): { remainders: string[]; matches: number[] } {
  const segments = body.split('/').filter((it, at, all) => it !== '**' || all[at - 1] !== '**');
  const matches: number[] = [];
  /** Positions in `segments` from which the rest of the pattern can match. */
  let positions = new Set([0]);
  for (const [depth, name] of path.entries()) {
    const next = new Set<number>();
    for (const position of positions) {
      const spans = segments[position] === '**';
      if (spans) next.add(position);
      const segment = segments[spans ? position + 1 : position];
      if (segment !== undefined && matchesName(segment, name)) next.add(position + (spans ? 2 : 1));
    }
    const spansToTheEnd = segments.at(-1) === '**' && positions.has(segments.length - 1);
    if (spansToTheEnd || next.has(segments.length)) matches.push(depth + 1);
    positions = next;
  }
  const left = [...positions].filter((position) => position < segments.length).sort((a, b) => a - b);
  // A remainder that starts with a later "**" matches all that the ones before it do.
  const first = Math.max(
    0,
    left.findLastIndex((position) => segments[position] === '**'),
    left.length - MAX_REMAINDERS,
  );
  return { remainders: left.slice(first).map((position) => segments.slice(position).join('/')), matches };
}
