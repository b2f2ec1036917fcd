import { type LogRow, ROW_KINDS, type RowKind, SEVERITIES, type Severity } from './rows.ts';

/** Which rows are shown. */
export interface Filter {
  /** The least severity. */
  severity: Severity;
  kinds: ReadonlySet<RowKind>;
}

export function accepts({ severity, kinds }: Filter, row: LogRow): boolean {
  return kinds.has(row.kind) && SEVERITIES.indexOf(row.severity) >= SEVERITIES.indexOf(severity);
}

/** From the query of the page: `severity=warning&show=tool,problem`. What it does not know is ignored. */
export function filterOf(query: URLSearchParams): Filter {
  const shown = query.get('show')?.split(',') ?? [];
  const kinds = ROW_KINDS.filter((kind) => shown.includes(kind));
  return {
    severity: SEVERITIES.find((severity) => severity === query.get('severity')) ?? 'info',
    kinds: new Set(kinds.length === 0 ? ROW_KINDS : kinds),
  };
}

/** The parameters of the query for a filter; undefined where it is the default. */
export function queryOf({ severity, kinds }: Filter): {
  severity: string | undefined;
  show: string | undefined;
} {
  const isAll = kinds.size === 0 || kinds.size === ROW_KINDS.length;
  return {
    severity: severity === 'info' ? undefined : severity,
    show: isAll ? undefined : ROW_KINDS.filter((kind) => kinds.has(kind)).join(','),
  };
}
