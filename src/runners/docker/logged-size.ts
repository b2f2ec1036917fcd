/** Beside its text, an entry of the log holds the stream, the time, and what its engine adds. */
const ENTRY = 256;
const LONGEST_ESCAPE = 6;
const SPACE = 0x20;
const DELETE = 0x7f;

/** What a byte takes in JSON at most: `<` is written as `\u003c`, and what is no UTF-8 as `\ufffd`. */
const SIZES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if ('"\\\n\r\t'.includes(String.fromCharCode(byte))) return 2;
  const escaped = byte < SPACE || byte >= DELETE || '<>&'.includes(String.fromCharCode(byte));
  return escaped ? LONGEST_ESCAPE : 1;
});

/** How many bytes a piece of output takes in the log of a container (`json-file`), or less. */
export function loggedSize(output: Buffer): number {
  let size = ENTRY;
  for (const byte of output) size += SIZES[byte] ?? LONGEST_ESCAPE;
  return size;
}
