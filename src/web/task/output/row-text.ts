import { formatDuration } from '../../parts/duration.ts';
import { visible } from '../../parts/plain-text.ts';
import { parseAnsi, type StyledText } from './ansi.ts';
import type { LogRow, ToolRow } from './rows.ts';

const parsed = new WeakMap<LogRow, StyledText>();

/** The text below the first line of a row; parsed once. */
export function bodyOf(row: LogRow): StyledText {
  const known = parsed.get(row);
  if (known) return known;
  const body = parseAnsi(row.text);
  parsed.set(row, body);
  return body;
}

/** The first line of a row; empty if it has none. */
export function headOf(row: LogRow): string {
  return row.type === 'tool' ? `${row.tool} ${row.title}` : row.label;
}

/** How a call ended: `exit 1 · 812 ms`. */
export function outcomeOf({ state, exitCode, durationMs }: ToolRow): string {
  const parts = [
    ...(state === 'lost' ? ['did not finish'] : []),
    ...(exitCode ? [`exit ${exitCode}`] : state === 'failed' ? ['failed'] : []),
    ...(durationMs === undefined ? [] : [formatDuration(durationMs)]),
  ];
  return parts.join(' · ');
}

/** A row as text for the clipboard and for a file: without colours, and with nothing that acts on a terminal. */
export function textOfRow(row: LogRow): string {
  const { plain } = bodyOf(row);
  if (row.type === 'note' && row.tone === 'model') return visible(plain);
  const outcome = row.type === 'tool' ? outcomeOf(row) : '';
  const first = row.type === 'tool' ? `$ ${headOf(row)}` : `[${row.at}] ${headOf(row)}`;
  const lines = [first, plain, outcome && `(${outcome})`].filter((line) => line !== '');
  const text = visible(lines.join('\n'));
  return row.parent === undefined ? text : text.replace(/^/gm, '  ');
}
