import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** One line of the table; `ok` says whether the goal is met. */
export interface Row {
  what: string;
  measured: string;
  comparison: string;
  goal: string;
  ok: boolean;
}

const PAGE = join(import.meta.dirname, '../../docs/benchmarks.md');

/** Prints the table and writes it to docs/benchmarks.md. */
export async function report(rows: readonly Row[]): Promise<void> {
  const table = [
    '| what | measured | compared with | goal | met |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(
      (row) =>
        `| ${row.what} | ${row.measured} | ${row.comparison} | ${row.goal} | ${row.ok ? 'yes' : 'no'} |`,
    ),
  ].join('\n');
  process.stdout.write(`${table}\n`);
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform}, Node ${process.versions.node}`;
  await writeFile(
    PAGE,
    `# Benchmarks

Written by \`npm run bench\`. Both sides of a comparison run by turns, in one run, on one OpenCode server with the
scripted model, so that the bridge's own share is what differs. Times are medians.

Machine: ${machine}.

${table}
`,
  );
}
