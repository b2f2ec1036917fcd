import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { session } from '../api/session.ts';
import { ProblemNote } from '../parts/problem.tsx';
import { query } from '../router.ts';
import { showState } from '../title.ts';
import { Announcer } from './announcer.tsx';
import { type Filter, readFilter } from './filter.ts';
import { FilterBar } from './filter-bar.tsx';
import { FirstTask } from './first-task.tsx';
import { TaskList } from './task-list.ts';
import { TaskRows } from './task-rows.tsx';
import './tasks.css';

/** Kept while other pages are shown, so that the way back is instant; one for each session. */
let kept: { owner: string; list: TaskList } | undefined;

/** Asks the bridge for the tasks before the page is drawn; over when they are there, or its refusal. */
export function prepareTasks(): Promise<void> {
  return listOf(readFilter(query.peek())).prepare();
}

/** `/`. */
export function TasksPage() {
  const filter = readFilter(query.value);
  const key = JSON.stringify(filter);
  const list = useMemo(() => listOf(filter), []);
  const stop = useRef(new AbortController());
  // Asks the bridge before the first picture is drawn, which takes as long as the answer.
  useLayoutEffect(() => {
    const { signal } = stop.current;
    void list.follow(signal);
    return () => stop.current.abort();
  }, [list]);
  useEffect(() => list.select(filter, stop.current.signal), [key]);
  const asking = list.counts.value.get('input_required') ?? 0;
  const isRunning = list.counts.value.has('running');
  useEffect(() => {
    if (asking > 0) showState(`(${asking}) Tasks`, 'input_required');
    else showState('Tasks', isRunning ? 'running' : undefined);
  }, [asking, isRunning]);

  const listing = list.listing.value;
  const problem = listing.problem.value;
  const refusal = list.refusal.value;
  return (
    <section class="tasks" aria-labelledby="tasks-title">
      <h1 id="tasks-title" class="visually-hidden">
        Tasks
      </h1>
      <FilterBar list={list} filter={filter} />
      <p class="banner" role="status" hidden={list.connection.value !== 'lost' || refusal !== undefined}>
        The connection to the bridge is lost. The list goes on by itself when it is back.
      </p>
      {refusal && <ProblemNote problem={refusal} />}
      {problem && !refusal && list.connection.value !== 'lost' && <ProblemNote problem={problem} />}
      <Content list={list} />
      {listing.hasMore && (
        <p class="tasks-older">
          <button
            type="button"
            disabled={listing.loading.value}
            onClick={() => void list.load('next', stop.current.signal)}
          >
            {listing.loading.value ? 'Loading…' : 'Load older tasks'}
          </button>
        </p>
      )}
      <Announcer list={list} />
    </section>
  );
}

function Content({ list }: { list: TaskList }) {
  const listing = list.listing.value;
  if (list.ids.value.length > 0) return <TaskRows list={list} />;
  if (listing.pages.value === 0)
    return <p class="muted tasks-none">{listing.problem.value ? '' : 'Loading…'}</p>;
  const { statuses, text } = listing.filter;
  if (statuses.length === 0 && text === '') return <FirstTask />;
  return <p class="muted tasks-none">No task matches{text === '' ? '' : ` “${text}”`}.</p>;
}

function listOf(filter: Filter): TaskList {
  const owner = JSON.stringify(session.value ?? null);
  if (kept?.owner !== owner) kept = { owner, list: new TaskList(filter) };
  return kept.list;
}
