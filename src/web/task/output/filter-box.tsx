import { setQuery } from '../../router.ts';
import { type Filter, queryOf } from './filter.ts';
import { ROW_KINDS, type RowKind, SEVERITIES, type Severity } from './rows.ts';

const KINDS: Record<RowKind, string> = {
  model: 'Model',
  tool: 'Tools',
  request: 'Requests',
  message: 'Messages',
  state: 'State',
  problem: 'Problems',
};
const LEVELS: Record<Severity, string> = {
  info: 'Everything',
  warning: 'Warnings and errors',
  error: 'Errors',
};

/** Which rows are shown; kept in the address, so that a link shows the same. */
export function FilterBox({ filter }: { filter: Filter }) {
  const set = (change: Partial<Filter>): void => setQuery(queryOf({ ...filter, ...change }));
  const toggle = (kind: RowKind): void => {
    const kinds = new Set(filter.kinds);
    if (!kinds.delete(kind)) kinds.add(kind);
    set({ kinds });
  };
  return (
    <>
      <select
        aria-label="Severity"
        value={filter.severity}
        onChange={({ currentTarget: { value } }) =>
          set({ severity: SEVERITIES.find((severity) => severity === value) ?? 'info' })
        }
      >
        {SEVERITIES.map((severity) => (
          <option key={severity} value={severity}>
            {LEVELS[severity]}
          </option>
        ))}
      </select>
      <fieldset class="kinds">
        <legend class="visually-hidden">Kinds of rows</legend>
        {ROW_KINDS.map((kind) => (
          <button
            type="button"
            key={kind}
            class="quiet"
            aria-pressed={filter.kinds.has(kind)}
            onClick={() => toggle(kind)}
          >
            {KINDS[kind]}
          </button>
        ))}
      </fieldset>
    </>
  );
}
