import { isRecord } from '../api/problem.ts';
import { formatDuration } from '../parts/duration.ts';

interface LimitRow {
  name: string;
  value: string;
}

const NAMES: Readonly<Record<string, string>> = {
  timeout_ms: 'Time of a task',
  max_cost_usd: 'Cost of a task',
  max_tokens: 'Tokens of a task',
  max_concurrent: 'Tasks at a time',
  max_queued: 'Tasks that wait',
  max_queued_per_agent: 'Tasks that wait, per agent',
  max_description_length: 'Characters of a description',
};

/** The limits as rows; one that this page does not know yet is shown by its name in the API. */
export function limitRows(limits: Record<string, unknown>): LimitRow[] {
  return Object.entries(limits).flatMap(([key, limit]) => {
    const value = textOf(key, limit);
    return value === undefined ? [] : [{ name: NAMES[key] ?? key, value }];
  });
}

function textOf(key: string, limit: unknown): string | undefined {
  if (typeof limit === 'number') return amount(key, limit);
  if (!isRecord(limit)) return undefined;
  const { default: usual, max } = limit;
  const parts = [
    ...(typeof usual === 'number' ? [amount(key, usual)] : []),
    ...(typeof max === 'number' ? [`at most ${amount(key, max)}`] : []),
  ];
  return parts.length > 0 ? parts.join(', ') : 'none';
}

function amount(key: string, value: number): string {
  if (key.endsWith('_ms')) return formatDuration(value).replace(/ 0 [hms]$/, '');
  if (key.endsWith('_usd')) return `$${value}`;
  return value.toLocaleString('en').replaceAll(',', ' ');
}
