import { visible } from './plain-text.ts';

/** The first line with text, cut at `longest` characters. */
export function firstLine(text: string, longest: number): string {
  const line =
    text
      .slice(0, 10_000)
      .split('\n')
      .find((it) => it.trim() !== '')
      ?.trim() ?? '';
  const characters = [...visible(line.slice(0, 4 * longest))];
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : characters.join('');
}
