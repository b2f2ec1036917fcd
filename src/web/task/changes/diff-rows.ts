import type { DiffLine, FileDiff } from './diff-parser.ts';

/** A line with the one that it replaces or is replaced by. */
export interface PairedLine extends DiffLine {
  counterpart?: string;
}

/** A row of the unified view. */
export type UnifiedRow = { header: string } | { line: PairedLine };
/** A row of the split view: the old file to the left, the new one to the right. */
export type SplitRow = { header: string } | { left?: PairedLine; right?: PairedLine };

export function unifiedRows(file: FileDiff): UnifiedRow[] {
  return file.hunks.flatMap(({ header, lines }) => [
    { header },
    ...blocksOf(lines).flatMap(({ deleted, added, context }) =>
      [...deleted, ...added, ...context].map((line) => ({ line })),
    ),
  ]);
}

export function splitRows(file: FileDiff): SplitRow[] {
  return file.hunks.flatMap(({ header, lines }) => [
    { header },
    ...blocksOf(lines).flatMap(({ deleted, added, context }) => [
      ...Array.from({ length: Math.max(deleted.length, added.length) }, (_, index) => ({
        ...(deleted[index] && { left: deleted[index] }),
        ...(added[index] && { right: added[index] }),
      })),
      ...context.map((line) => ({ left: line, right: line })),
    ]),
  ]);
}

interface Block {
  deleted: PairedLine[];
  added: PairedLine[];
  context: PairedLine[];
}

/** Lines that were replaced, then lines that stayed. The first deleted line belongs to the first added one, and so on. */
function blocksOf(lines: readonly DiffLine[]): Block[] {
  const blocks: Block[] = [];
  let block: Block | undefined;
  for (const line of lines) {
    if (!block || (line.kind !== 'context' && block.context.length > 0)) {
      block = { deleted: [], added: [], context: [] };
      blocks.push(block);
    }
    block[line.kind].push({ ...line });
  }
  for (const { deleted, added } of blocks) {
    for (const [index, line] of deleted.entries()) {
      const other = added[index];
      if (!other) break;
      line.counterpart = other.text;
      other.counterpart = line.text;
    }
  }
  return blocks;
}
