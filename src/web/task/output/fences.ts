import type { Range } from './search.ts';

/** A part of a text: between the lines of a code fence, or outside of them. */
export interface Block {
  range: Range;
  isCode: boolean;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})[^`\n]*$/gm;

/** Divides a part of a Markdown text at its code fences, of which the lines belong to the code. */
export function fences(text: string, [from, to]: Range): Block[] {
  const shown = text.slice(from, to);
  const blocks: Block[] = [];
  let open: { start: number; mark: string } | undefined;
  let at = 0;
  const push = (end: number, isCode: boolean): void => {
    if (end > at) blocks.push({ range: [from + at, from + end], isCode });
    at = end;
  };
  for (const { index, 0: line, 1: mark = '' } of shown.matchAll(FENCE)) {
    if (!open) {
      push(index, false);
      open = { start: index, mark };
    } else if (mark.startsWith(open.mark) && line.trim() === mark) {
      push(index + line.length, true);
      open = undefined;
    }
  }
  push(shown.length, open !== undefined);
  return blocks;
}
