/** A text as it may show up somewhere that it must not: in clear, and in the usual encodings. By their names. */
function encodingsOf(text: string): Record<string, string> {
  const bytes = Buffer.from(text);
  const hex = bytes.toString('hex');
  return {
    clear: text,
    reversed: [...text].reverse().join(''),
    hex,
    'upper hex': hex.toUpperCase(),
    'hex with escapes': hex.replaceAll(/../g, '\\x$&'),
    base32: base32(bytes),
    URL: [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    'UTF-16': Buffer.from(text, 'utf16le').toString('hex'),
    'JSON escapes': [...text].map((it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
    'HTML entities': [...text].map((it) => `&#${it.charCodeAt(0)};`).join(''),
    'a list of bytes': [...bytes].join(','),
    rot13: text.replaceAll(/[a-z]/gi, rotate),
    ...base64(bytes),
  };
}

/** Where a text stands, in which encoding; empty if it does not. Letters count as the same in either case. */
export function findEncoded(haystack: string, text: string): string[] {
  const lower = haystack.toLowerCase();
  return Object.entries(encodingsOf(text))
    .filter(([, encoded]) => lower.includes(encoded.toLowerCase()))
    .map(([name]) => name);
}

/** In the middle of other bytes it looks different, by where it begins; the characters that depend on them are left out. */
function base64(bytes: Buffer): Record<string, string> {
  const entries = [0, 1, 2].flatMap((offset) => {
    const all = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const sure = all.slice(offset === 0 ? 0 : offset + 1, -1);
    const url = sure.replaceAll('+', '-').replaceAll('/', '_');
    return [
      [`base64 at ${offset}`, sure],
      [`base64url at ${offset}`, url],
    ];
  });
  return Object.fromEntries(entries);
}

function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('');
}

function rotate(letter: string): string {
  const base = letter <= 'Z' ? 65 : 97;
  return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
}
