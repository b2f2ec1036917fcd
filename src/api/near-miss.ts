/** With more edits, it is a different name. */
const MAX_EDITS = 2;

/** The known name that an unknown one most likely stands for. */
export function nearMiss(name: string, names: readonly string[]): string | undefined {
  const given = squash(name);
  const candidates = names.map((candidate) => ({ candidate, edits: distance(given, squash(candidate)) }));
  const [best] = candidates.sort((a, b) => a.edits - b.edits);
  return best && best.edits <= MAX_EDITS && best.edits < given.length / 2 ? best.candidate : undefined;
}

/** `taskId`, `task-id` and `task_id` are the same. */
function squash(name: string): string {
  return name
    .slice(0, 100)
    .toLowerCase()
    .replace(/[_\-\s.]/g, '');
}

/** The Levenshtein distance, or infinity if it is above the maximum anyway. */
function distance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > MAX_EDITS) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, character] of [...one].entries()) {
    const above = row;
    row = [i + 1];
    for (const [j, wanted] of [...other].entries()) {
      const replaced = (above[j] ?? 0) + (character === wanted ? 0 : 1);
      row.push(Math.min(replaced, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
  }
  return row.at(-1) ?? 0;
}
