import { printable } from '../../errors.ts';
import type { Finding } from './check.ts';

/** The findings as an aligned table, then what to do about those that are not ok. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const row = (check: string, status: string, detail: string): string =>
    `${check.padEnd(width)}  ${status.padEnd(6)}  ${detail}`;
  const rows = findings.map(({ check, status, detail }) => row(check, status, detail));
  const steps = findings.filter(({ next }) => next).map(({ check, next }) => `  ${check}: ${next}`);
  const lines = [row('check', 'status', 'detail'), ...rows];
  if (steps.length > 0) lines.push('', 'What to do', ...steps);
  return `${printable(lines.join('\n'))}\n`;
}
