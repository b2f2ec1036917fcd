const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** The path in `a/x b/x`, the two names after `diff --git`. Without renames both are the same, quoted or not. */
export function pathInHeader(names: string): string {
  if (names.startsWith('"')) return unquote(names.slice(0, (names.length - 1) / 2)).slice(2);
  return names.slice(2, (names.length - 1) / 2);
}

/** A name that git wrote in quotes, as in C: `"a\303\244\n"`. Octal numbers are bytes of UTF-8. */
export function unquote(quoted: string): string {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  const inner = quoted.slice(1, -1);
  for (const [, escaped, octal, plain] of inner.matchAll(/\\([abtnvfr"\\])|\\([0-7]{3})|([^\\]+|\\)/g)) {
    if (escaped !== undefined) bytes.push(ESCAPES[escaped] ?? 0);
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else bytes.push(...encoder.encode(plain));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
