/** A piece of a changed line; `changed` where it differs from its counterpart. */
export interface Piece {
  text: string;
  changed: boolean;
}

const TOKEN = /[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu;
/** Longer lines are not compared: a table of all pairs of their words would be too large. */
const MAX_LENGTH = 1_000;
const MAX_PAIRS = 40_000;
/** Lines with less in common were not edited but replaced: marks in them would be noise. */
const MIN_COMMON = 0.35;

/** What differs between a deleted line and the added one that replaces it; undefined where marks would not help. */
export function markWords(before: string, after: string): { before: Piece[]; after: Piece[] } | undefined {
  if (before.length > MAX_LENGTH || after.length > MAX_LENGTH) return undefined;
  const [old, now] = [before.match(TOKEN) ?? [], after.match(TOKEN) ?? []];
  const head = commonHead(old, now);
  const tail = commonHead(old.slice(head).reverse(), now.slice(head).reverse());
  const [oldMiddle, nowMiddle] = [old.slice(head, old.length - tail), now.slice(head, now.length - tail)];
  if (oldMiddle.length * nowMiddle.length > MAX_PAIRS) return undefined;
  const common = longestCommon(oldMiddle, nowMiddle);
  const keptOld = new Set(common.map(([index]) => head + index));
  const keptNow = new Set(common.map(([, index]) => head + index));
  const isKept = (kept: Set<number>, length: number) => (index: number) =>
    index < head || index >= length - tail || kept.has(index);
  const result = {
    before: piecesOf(old, isKept(keptOld, old.length)),
    after: piecesOf(now, isKept(keptNow, now.length)),
  };
  const same = result.before.reduce((sum, { text, changed }) => sum + (changed ? 0 : text.trim().length), 0);
  const whole = Math.max(before.trim().length, after.trim().length);
  return same >= whole * MIN_COMMON ? result : undefined;
}

function commonHead(a: readonly string[], b: readonly string[]): number {
  let count = 0;
  while (count < a.length && count < b.length && a[count] === b[count]) count += 1;
  return count;
}

/** Pairs of indexes of a longest common subsequence. */
function longestCommon(a: readonly string[], b: readonly string[]): [number, number][] {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

function piecesOf(tokens: readonly string[], isKept: (index: number) => boolean): Piece[] {
  const pieces: Piece[] = [];
  for (const [index, text] of tokens.entries()) {
    const changed = !isKept(index);
    const last = pieces.at(-1);
    if (last?.changed === changed) last.text += text;
    else pieces.push({ text, changed });
  }
  return pieces;
}
