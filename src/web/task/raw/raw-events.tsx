import { useMemo, useState } from 'preact/hooks';
import type { TaskEvent, TaskEventKind } from '../../api/task.ts';
import { Chunks } from '../../parts/chunks.tsx';
import { saveFile } from '../../parts/save-file.ts';
import { query, setQuery } from '../../router.ts';
import type { TaskLog } from '../task-log.ts';
import { EventFilter } from './event-filter.ts';
import { EventRow } from './event-row.tsx';
import './raw.css';

const ROW_HEIGHT = 22;

/** The events of a task as the API shows them; `kind` and `find` of the query say which. */
export function RawEvents({ log }: { log: TaskLog }) {
  const kinds = query.value.get('kind') ?? '';
  const text = query.value.get('find') ?? '';
  const filter = useMemo(() => new EventFilter({ kinds: new Set(kindsIn(kinds)), text }), [log, kinds, text]);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  log.version.value;
  filter.update(log.events);
  const render = useMemo(() => {
    const toggle = (seq: number): void =>
      setOpen((before) => {
        const after = new Set(before);
        if (!after.delete(seq)) after.add(seq);
        return after;
      });
    return (event: TaskEvent) => (
      <EventRow key={event.seq} event={event} isOpen={open.has(event.seq)} onToggle={toggle} />
    );
  }, [open]);
  const first = log.events[0]?.seq ?? 1;
  return (
    <div class="raw">
      <Filters filter={filter} kinds={kindsIn(kinds)} text={text} />
      <p class="muted" role="status">
        {filter.rows.length.toLocaleString()} of {log.events.length.toLocaleString()} events
        {first > 1 && `; the first ${(first - 1).toLocaleString()} are not loaded`}{' '}
        {filter.rows.length > 0 && (
          <button
            type="button"
            class="quiet"
            onClick={() => saveFile(linesOf(filter.rows), `${log.taskId}.jsonl`)}
          >
            Download as JSON lines
          </button>
        )}
      </p>
      <Chunks rows={filter.rows} render={render} rowHeight={ROW_HEIGHT} />
    </div>
  );
}

function Filters({ filter, kinds, text }: { filter: EventFilter; kinds: TaskEventKind[]; text: string }) {
  const toggle = (kind: TaskEventKind): void => {
    const chosen = kinds.includes(kind) ? kinds.filter((one) => one !== kind) : [...kinds, kind];
    setQuery({ kind: chosen.join(',') });
  };
  return (
    <search class="filters">
      <input
        type="search"
        aria-label="Search in the events"
        placeholder="Search"
        value={text}
        onInput={({ currentTarget }) => setQuery({ find: currentTarget.value })}
      />
      <fieldset aria-label="Kinds of events">
        {[...filter.counts].map(([kind, count]) => (
          <button
            type="button"
            class="kind"
            key={kind}
            aria-pressed={kinds.includes(kind)}
            onClick={() => toggle(kind)}
          >
            {kind} <span class="number">{count.toLocaleString()}</span>
          </button>
        ))}
      </fieldset>
    </search>
  );
}

/** A kind that does not exist matches nothing. */
function kindsIn(list: string): TaskEventKind[] {
  return list === '' ? [] : (list.split(',') as TaskEventKind[]);
}

function linesOf(events: readonly TaskEvent[]): Blob {
  return new Blob(events.map((event) => `${JSON.stringify(event)}\n`));
}
