import fc from 'fast-check';

/** A string or key in a value that contains a lone surrogate. */
export function halvesIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : JSON.stringify(value).slice(-200);
  if (value === null || typeof value !== 'object') return undefined;
  for (const [name, held] of Object.entries(value)) {
    const found = halvesIn(name) ?? halvesIn(held);
    if (found !== undefined) return `${name}: ${found}`;
  }
  return undefined;
}

/** Text with surrogate pairs at odd and even positions, so that every cut of a fixed length splits one; with lone ones. */
export const splittable = fc
  .tuple(
    fc.string({ unit: fc.constantFrom('a', ' ', '😀', '\ud83d', '\ude00'), maxLength: 9 }),
    fc.constantFrom('😀', '😀😀', 'a😀', '\ud83d'),
    fc.constantFrom(0, 30, 210, 1_100, 4_100),
    fc.constantFrom('', 'z', '\ude00', '😀\ud83d'),
  )
  .map(([begin, unit, times, end]) => `${begin}${unit.repeat(times)}${end}`);
