import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** One line of the table; `ok` says whether the goal is met, undefined where it could not be measured here. */
export interface Row {
  what: string;
  measured: string;
  comparison: string;
  goal: string;
  ok: boolean | undefined;
}

/** One line of the table of both modes. */
export interface ModeRow {
  what: string;
  server: string;
  docker: string;
}

const PAGE = join(import.meta.dirname, '../../docs/benchmarks.md');

/** A time as the tables show it. */
export const ms = (value: number): string => `${Math.round(value)} ms`;

/** The rows with what they are compared with. */
export function rowTable(rows: readonly Row[]): string {
  const met = (ok: boolean | undefined): string => (ok === undefined ? 'unknown' : ok ? 'yes' : 'no');
  return table(
    ['what', 'measured', 'compared with', 'goal', 'met'],
    rows.map((row) => [row.what, row.measured, row.comparison, row.goal, met(row.ok)]),
  );
}

/** The modes side by side. */
export function modeTable(rows: readonly ModeRow[]): string {
  return table(
    ['what', 'server mode', 'Docker mode'],
    rows.map((row) => [row.what, row.server, row.docker]),
  );
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [head, head.map(() => '---'), ...lines];
  return all.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Prints the tables and writes them to docs/benchmarks.md. */
export async function report(rows: readonly Row[], modes: readonly ModeRow[]): Promise<void> {
  const [compared, sideBySide] = [rowTable(rows), modeTable(modes)];
  process.stdout.write(`${compared}\n\n${sideBySide}\n`);
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform}, Node ${process.versions.node}`;
  await writeFile(
    PAGE,
    `# Benchmarks

Written by \`npm run bench\`. Both sides of a comparison run by turns, in one run, on one OpenCode server or one Docker
Engine, with the scripted model, so that the bridge's own share is what differs. Times are medians.

Machine: ${machine}.

${compared}

## Server mode and Docker mode

The same tasks by turns, through a bridge of each mode on the same machine. Memory: of the server process, and of
containers as \`docker stats\` counts it, while each task waits for the model after its first tool.

${sideBySide}
`,
  );
}
