/** Less than this in common is no proof that one text continues the other. */
const LEAST_OVERLAP = 16;

/**
 * What is new in `now`, which was `before`. `isEnd`: `now` is only the end of the text, so that it may have lost its
 * beginning meanwhile. Undefined where `now` does not continue `before`.
 */
export function continuation(before: string, now: string, isEnd: boolean): string | undefined {
  if (now.startsWith(before)) return now.slice(before.length);
  if (!isEnd) return undefined;
  const common = overlap(before, now);
  return common < LEAST_OVERLAP ? undefined : now.slice(common);
}

/**
 * The length of the longest end of `before` that `now` begins with. By the failure function of Knuth, Morris and Pratt:
 * a task that prints the same all over cannot make it slow.
 */
function overlap(before: string, now: string): number {
  const pattern = now.slice(0, before.length);
  const failure = new Int32Array(pattern.length);
  for (let at = 1, length = 0; at < pattern.length; at += 1) {
    length = extend(pattern, failure, length, pattern.charCodeAt(at));
    failure[at] = length;
  }
  let length = 0;
  for (let at = 0; at < before.length; at += 1) {
    if (length === pattern.length) length = failure[length - 1] ?? 0;
    length = extend(pattern, failure, length, before.charCodeAt(at));
  }
  return length;
}

/** How much of the pattern has matched after one more code unit. */
function extend(pattern: string, failure: Int32Array, matched: number, unit: number): number {
  let length = matched;
  while (length > 0 && pattern.charCodeAt(length) !== unit) length = failure[length - 1] ?? 0;
  return pattern.charCodeAt(length) === unit ? length + 1 : length;
}
