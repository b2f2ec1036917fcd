import type { ComponentType } from 'preact';
import { lazy } from '../parts/lazy.tsx';
import { setQuery } from '../router.ts';
import { Output } from './output/output.tsx';
import type { TaskLog } from './task-log.ts';

interface Tab {
  id: string;
  label: string;
  Panel: ComponentType<{ log: TaskLog }>;
}

const TABS: readonly [Tab, ...Tab[]] = [
  { id: 'output', label: 'Output', Panel: Output },
  {
    id: 'changes',
    label: 'Changes',
    Panel: lazy(async () => (await import('./views.ts')).Changes),
  },
  { id: 'steps', label: 'Steps', Panel: lazy(async () => (await import('./views.ts')).Steps) },
  {
    id: 'timeline',
    label: 'Timeline',
    Panel: lazy(async () => (await import('./views.ts')).Timeline),
  },
  {
    id: 'raw',
    label: 'Raw events',
    Panel: lazy(async () => (await import('./views.ts')).RawEvents),
  },
];

/** The views of a task; arrow keys move between their tabs. */
export function Tabs({ log, selected }: { log: TaskLog; selected: string }) {
  const current = TABS.find(({ id }) => id === selected) ?? TABS[0];
  const { Panel } = current;
  const select = (id: string): void => setQuery({ tab: id === TABS[0].id ? undefined : id }, { push: true });
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(current) + step + TABS.length) % TABS.length] ?? current;
    select(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <section class="tabs">
      <div role="tablist" aria-label="Views of the task" onKeyDown={onKeyDown}>
        {TABS.map(({ id, label }) => (
          <button
            type="button"
            role="tab"
            id={`tab-${id}`}
            key={id}
            aria-selected={id === current.id}
            aria-controls="tab-panel"
            tabIndex={id === current.id ? 0 : -1}
            onClick={() => select(id)}
          >
            {label}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${current.id}`}>
        <Panel log={log} />
      </div>
    </section>
  );
}
