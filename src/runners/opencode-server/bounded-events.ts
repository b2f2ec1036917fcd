/** The largest event of OpenCode holds an image that was read, 4.6 MB (measured with 1.18.33), or a diff. */
export const LONGEST_EVENT = 64 * 2 ** 20;
const NEWLINE = 0x0a;

/** Passes a stream of server-sent events on; fails at an event longer than the limit, which a reader would buffer. */
export function boundedEvents(
  limit: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let open = 0;
  let last = 0;
  return new TransformStream({
    transform(chunk, controller) {
      const end = endOfEvents(chunk, last);
      open = end === undefined ? open + chunk.length : chunk.length - end;
      last = chunk.at(-1) ?? last;
      if (open > limit) throw new Error(`an event is longer than ${limit} bytes`);
      controller.enqueue(chunk);
    },
  });
}

/** The position after the last empty line, which ends an event; undefined without one. `before` is the byte before the chunk. */
function endOfEvents(chunk: Uint8Array, before: number): number | undefined {
  for (
    let at = chunk.lastIndexOf(NEWLINE);
    at >= 0;
    at = at === 0 ? -1 : chunk.lastIndexOf(NEWLINE, at - 1)
  ) {
    if ((at === 0 ? before : chunk[at - 1]) === NEWLINE) return at + 1;
  }
  return undefined;
}
