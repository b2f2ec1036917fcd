import { useEffect, useRef } from 'preact/hooks';
import type { TaskStatus } from '../api/task.ts';
import { href } from '../links.ts';
import { statusLabel } from '../parts/status-label.ts';
import { query, setQuery } from '../router.ts';
import { type Filter, MAX_SEARCH, readFilter, toggleStatus, writeFilter } from './filter.ts';
import { STATUS_ORDER } from './row.ts';
import type { TaskList } from './task-list.ts';

const TYPING_MS = 150;

/** Search, and a button for each status with its count; both are in the URL. */
export function FilterBar({ list, filter }: { list: TaskList; filter: Filter }) {
  // Of the filter as it is then: a text is applied a moment after it was typed.
  const apply = (change: (current: Filter) => Filter, push = true): void =>
    setQuery(writeFilter(change(readFilter(query.peek()))), { push });
  return (
    <div class="tasks-filter">
      <Search
        text={filter.text}
        onChange={(text) => apply((current) => ({ ...current, text }), filter.text === '')}
      />
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is no flex box in every browser */}
      <div class="tasks-statuses" role="group" aria-label="Filter by status">
        {STATUS_ORDER.map((status) => (
          <StatusButton
            key={status}
            list={list}
            status={status}
            pressed={filter.statuses.includes(status)}
            onClick={() => apply((current) => toggleStatus(current, status))}
          />
        ))}
        {filter.statuses.length > 0 && (
          <button
            type="button"
            class="quiet"
            onClick={() => apply((current) => ({ ...current, statuses: [] }))}
          >
            All
          </button>
        )}
      </div>
      <a class="button primary tasks-new" href={href('/new')}>
        New task
      </a>
    </div>
  );
}

interface StatusButtonProps {
  list: TaskList;
  status: TaskStatus;
  pressed: boolean;
  onClick: () => void;
}

function StatusButton({ list, status, pressed, onClick }: StatusButtonProps) {
  const count = list.counts.value.get(status) ?? 0;
  const more = !list.isCounted(status);
  return (
    <button
      type="button"
      class="chip"
      aria-pressed={pressed}
      onClick={onClick}
      data-none={count === 0 && !more}
    >
      <span class={`status status-${status}`}>{statusLabel(status)}</span>{' '}
      <span class="number" title={more ? 'Older tasks are not counted' : undefined}>
        {count}
        {more && '+'}
      </span>
    </button>
  );
}

function Search({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The back button changes the text too.
  useEffect(() => {
    if (input.current && input.current.value.trim() !== text) input.current.value = text;
    return () => clearTimeout(timer.current);
  }, [text]);
  const changed = (value: string, delay: number): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(value.trim()), delay);
  };
  return (
    <search class="tasks-search">
      <input
        ref={input}
        type="search"
        aria-label="Search descriptions"
        placeholder="Search descriptions"
        maxLength={MAX_SEARCH}
        defaultValue={text}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => changed(currentTarget.value, TYPING_MS)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.value = '';
          if (event.key === 'Escape' || event.key === 'Enter') changed(event.currentTarget.value, 0);
        }}
      />
    </search>
  );
}
