/**
 * Whether a text matches a pattern of OpenCode's permissions: `*` is any text, `?` one character, and a last
 * ` *` may be missing (`ls *` matches `ls` too). Without a regular expression, because the model may write both.
 */
export function matches(text: string, pattern: string): boolean {
  const [subject, rule] = [text, pattern].map((part) => part.replaceAll('\\', '/'));
  if (subject === undefined || rule === undefined) return false;
  return glob(subject, rule) || (rule.endsWith(' *') && glob(subject, rule.slice(0, -2)));
}

/** Takes at most the product of both lengths: it backtracks only to the last `*`. */
function glob(text: string, rule: string): boolean {
  let at = 0;
  let next = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    if (rule[next] === '*') {
      star = next++;
      resume = at;
    } else if (next < rule.length && (rule[next] === '?' || rule[next] === text[at])) {
      at += 1;
      next += 1;
    } else if (star >= 0) {
      next = star + 1;
      at = ++resume;
    } else return false;
  }
  while (rule[next] === '*') next += 1;
  return next === rule.length;
}
