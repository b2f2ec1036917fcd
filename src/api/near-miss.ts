/** More changes than these make another word of a name. */
const MAX_EDITS = 2;

/** The one of the names that was most likely meant by a name that is none of them. */
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

/** How many characters have to be inserted, removed or replaced, or a number that is too high. */
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
