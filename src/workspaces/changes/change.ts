import { type IndexEntry, readIndex } from './index-file.ts';

export interface Change {
  /** Relative to the task's folder, with forward slashes. */
  path: string;
  change: 'added' | 'modified' | 'deleted';
  /** Lines; absent for a binary file. */
  additions?: number;
  deletions?: number;
  binary: boolean;
}

/** Parses the output of `git diff-index --raw --numstat -z`. */
export function parseChanges(output: string): Change[] {
  const changes = new Map<string, Change>();
  const fields = output.split('\0').values();
  for (const field of fields) {
    if (field.startsWith(':')) {
      const path = fields.next().value ?? '';
      changes.set(path, { path, change: kindOf(field.at(-1)), binary: false });
      continue;
    }
    const [, additions, deletions, path = ''] = /^(\d+|-)\t(\d+|-)\t(.*)$/s.exec(field) ?? [];
    const change = changes.get(path);
    if (change === undefined) continue;
    if (additions === '-') change.binary = true;
    else Object.assign(change, { additions: Number(additions), deletions: Number(deletions) });
  }
  return [...changes.values()];
}

/** The differences between two git indexes, without line counts; undefined where one cannot be read. */
export function compareIndexes(before: Buffer, after: Buffer): Change[] | undefined {
  const [old, now] = [readIndex(before), readIndex(after)];
  if (old === undefined || now === undefined) return undefined;
  const deleted = new Map(old.map((entry) => [entry.path, entry]));
  const changes: Change[] = [];
  for (const entry of now) {
    const previous = deleted.get(entry.path);
    deleted.delete(entry.path);
    if (previous === undefined) changes.push(toChange(entry, 'added'));
    else if (previous.oid !== entry.oid || previous.mode !== entry.mode)
      changes.push(toChange(entry, 'modified'));
  }
  for (const entry of deleted.values()) changes.push(toChange(entry, 'deleted'));
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function toChange(entry: IndexEntry, change: Change['change']): Change {
  return { path: Buffer.from(entry.path, 'latin1').toString(), change, binary: false };
}

function kindOf(letter: string | undefined): Change['change'] {
  return letter === 'A' ? 'added' : letter === 'D' ? 'deleted' : 'modified';
}
