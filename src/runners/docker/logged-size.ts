/** Bytes of a log entry besides its text: the stream, the time, and what the engine adds. */
const ENTRY_OVERHEAD = 256;
const LONGEST_ESCAPE = 6;
const SPACE = 0x20;
const DELETE = 0x7f;

/** The most bytes that each byte takes in JSON: `<` becomes `\u003c`, and invalid UTF-8 becomes `\ufffd`. */
const SIZES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if ('"\\\n\r\t'.includes(String.fromCharCode(byte))) return 2;
  const escaped = byte < SPACE || byte >= DELETE || '<>&'.includes(String.fromCharCode(byte));
  return escaped ? LONGEST_ESCAPE : 1;
});

/** An upper bound of the bytes that a chunk of output takes in the log of a container (`json-file`). */
export function loggedSize(output: Buffer): number {
  let size = ENTRY_OVERHEAD;
  for (const byte of output) size += SIZES[byte] ?? LONGEST_ESCAPE;
  return size;
}
