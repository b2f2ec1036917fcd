import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../src/runners/docker/line-splitter.ts';

const MIB = 2 ** 20;

/** The result for bytes that arrive in these chunks. */
function cutAll(pieces: readonly Buffer[], limit: number) {
  const lines = new LineSplitter(limit);
  const cuts = pieces.map((piece) => lines.read(piece));
  const whole = cuts.flatMap((cut) => cut.lines);
  return { lines: [...whole, lines.flush()], dropped: cuts.reduce((sum, cut) => sum + cut.dropped, 0) };
}

describe('lines', () => {
  it('are the same for any chunks, without those that are too long', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'ä', '🙂', '"'), maxLength: 20 });
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(400)), (texts, ends) => {
        const bytes = Buffer.from(texts.join('\n'));
        const at = [0, ...ends.map((end) => Math.min(end, bytes.length)).sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const fits = (text: string) => Buffer.byteLength(text) <= 30;
        const last = texts.at(-1) ?? '';
        expect(cutAll(pieces, 30)).toEqual({
          lines: [...texts.slice(0, -1).filter(fits), fits(last) ? last : ''],
          dropped: texts.filter((text) => !fits(text)).length,
        });
      }),
    );
  });

  it('without an end take no more memory than the limit, and count as dropped once, before their end', () => {
    const lines = new LineSplitter(MIB);
    const piece = Buffer.alloc(64 * 1024, 'x');
    const before = process.memoryUsage();
    let dropped = 0;
    for (let count = 0; count < 16_000; count += 1) dropped += lines.read(piece).dropped;
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    expect(dropped).toBe(1);
    expect(arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(32 * MIB);
    expect(lines.read(Buffer.from('end\nnext\n'))).toEqual({ lines: ['next'], dropped: 0 });
  });

  it('that arrive byte by byte take linear time', () => {
    const lines = new LineSplitter(4 * MIB);
    const one = Buffer.from('x');
    for (let count = 0; count < 2 * MIB; count += 1) lines.read(one);
    expect(lines.read(Buffer.from('\n')).lines[0]).toHaveLength(2 * MIB);
  });
});
