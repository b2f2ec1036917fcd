import { GROUPS } from './groups.ts';
import { modeRows } from './modes.ts';
import { type ModeRow, type Row, report } from './report.ts';

const say = (what: string): void => void process.stderr.write(`${what}\n`);
const rows: Row[] = [];
const modes: ModeRow[] = [];
try {
  for (const [name, measure] of Object.entries(GROUPS)) {
    say(`${name}:`);
    for await (const row of measure()) {
      rows.push(row);
      say(`  ${row.what}: ${row.measured} ${row.comparison}`);
    }
  }
  say('modes:');
  for await (const row of modeRows()) {
    modes.push(row);
    say(`  ${row.what}: ${row.server}, ${row.docker}`);
  }
} finally {
  await report(rows, modes);
}
