import { pathInHeader } from './git-path.ts';

export interface DiffLine {
  kind: 'context' | 'added' | 'deleted';
  text: string;
  /** Its number in the old file; absent for an added line. */
  before?: number;
  /** Its number in the new file; absent for a deleted line. */
  after?: number;
  /** The file ends with it, without a line feed. */
  unended?: true;
}

interface Hunk {
  /** `@@ -1,3 +1,4 @@` and what git found to name the place. */
  header: string;
  lines: DiffLine[];
}

/** What happened to one file. One that became a symlink or the reverse has two: it was deleted, and added. */
export interface FileDiff {
  path: string;
  /** `new file mode 100755`, `old mode 100644` and others, as git writes them. */
  notes: string[];
  binary: boolean;
  hunks: Hunk[];
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;
const NOTE = /^(?:old mode|new mode|new file mode|deleted file mode) /;

/**
 * The files of a unified diff of `git diff-index -p` without renames. Content cannot pass for structure: the lines of
 * a hunk are counted by its header, and elsewhere git writes nothing of a file but its quoted name.
 */
export function parseDiff(diff: string): FileDiff[] {
  const files: FileDiff[] = [];
  const lines = linesOf(diff);
  let file: FileDiff | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.startsWith('diff --git ')) {
      file = { path: pathInHeader(line.slice('diff --git '.length)), notes: [], binary: false, hunks: [] };
      files.push(file);
      continue;
    }
    if (!file) continue;
    if (HUNK.test(line)) {
      const { hunk, end } = readHunk(line, lines, at + 1);
      file.hunks.push(hunk);
      at = end - 1;
    } else if (NOTE.test(line)) file.notes.push(line);
    else if (line.startsWith('Binary files ') || line === 'GIT binary patch') file.binary = true;
  }
  return files;
}

/** A carriage return belongs to its line. */
function linesOf(diff: string): string[] {
  const lines = diff.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function readHunk(header: string, lines: readonly string[], from: number): { hunk: Hunk; end: number } {
  const [, oldStart = '0', oldCount = '1', newStart = '0', newCount = '1'] = HUNK.exec(header) ?? [];
  const hunk: Hunk = { header, lines: [] };
  let before = Number(oldStart);
  let after = Number(newStart);
  const [lastBefore, lastAfter] = [before + Number(oldCount), after + Number(newCount)];
  let at = from;
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const [mark, text] = [line[0], line.slice(1)];
    if (mark === '\\') {
      const last = hunk.lines.at(-1);
      if (last) last.unended = true;
    } else if (before >= lastBefore && after >= lastAfter) break;
    else if (mark === '+') hunk.lines.push({ kind: 'added', text, after: after++ });
    else if (mark === '-') hunk.lines.push({ kind: 'deleted', text, before: before++ });
    else if (mark === ' ') hunk.lines.push({ kind: 'context', text, before: before++, after: after++ });
    else break;
  }
  return { hunk, end: at };
}
