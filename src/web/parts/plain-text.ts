/** What cannot be seen or changes how others look: controls but tab and line feed, marks of direction and width. */
const INVISIBLE = /(?![\t\n])\p{Cc}|[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/gu;

/** A text from elsewhere as it can be shown: what would be invisible, or would reorder the line, becomes visible. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, symbolOf);
}

/** U+0000 to U+001F have pictures from U+2400 on; others are written as their number. */
function symbolOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
}

/** The same for a name or path, which is shown in one line. */
export function visibleName(name: string): string {
  return visible(name).replaceAll('\n', '\u240a').replaceAll('\t', '\u2409');
}
