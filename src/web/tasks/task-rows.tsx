import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { TaskList } from './task-list.ts';
import { TaskItem } from './task-item.tsx';

/** Keys that move between the rows, and how far; `Infinity` is the end. */
const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  j: 1,
  ArrowUp: -1,
  k: -1,
  PageDown: 10,
  PageUp: -10,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

/** The task that the keys are at; kept while other pages are shown. */
let current: string | undefined;

/** The rows. One of them is in the order of the Tab key; other keys move from row to row, Enter opens. */
export function TaskRows({ list }: { list: TaskList }) {
  const ids = list.ids.value;
  const rows = useRef<HTMLUListElement>(null);
  const focused = document.activeElement?.closest<HTMLElement>('.task-item')?.dataset.task;
  const stop = current !== undefined && ids.includes(current) ? current : ids[0];

  // To move a row in the document takes the focus from it.
  useLayoutEffect(() => {
    if (focused !== undefined && linkOf(rows.current, focused) !== document.activeElement) {
      linkOf(rows.current, focused)?.focus({ preventScroll: true });
    }
  }, [ids]);

  // Back from a task: at its row again.
  useEffect(() => {
    if (current === undefined || !isNowhere(document.activeElement)) return;
    linkOf(rows.current, current)?.focus();
  }, []);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const step = STEPS[event.key];
      if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      const at = idAt(document.activeElement);
      if (at === undefined && !(Math.abs(step) === 1 && isNowhere(document.activeElement))) return;
      event.preventDefault();
      const known = list.ids.peek();
      const from = at === undefined ? -1 : known.indexOf(at);
      const to = at === undefined ? known.indexOf(current ?? '') : from + step;
      const id = known[Math.max(0, Math.min(known.length - 1, to))];
      if (id !== undefined) linkOf(rows.current, id)?.focus();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [list]);

  return (
    <ul
      class="task-items"
      ref={rows}
      aria-label="Tasks"
      onFocusIn={({ target }) => {
        const id = target instanceof Element ? idAt(target) : undefined;
        if (id === undefined || id === current) return;
        const before = linkOf(rows.current, stop);
        if (before) before.tabIndex = -1;
        current = id;
        const link = linkOf(rows.current, id);
        if (link) link.tabIndex = 0;
      }}
    >
      {ids.map((id) => (
        <TaskItem key={id} list={list} id={id} isStop={id === stop} />
      ))}
    </ul>
  );
}

function idAt(element: Element | null): string | undefined {
  return element?.closest<HTMLElement>('.task-item')?.dataset.task;
}

function linkOf(rows: HTMLElement | null, id: string | undefined): HTMLElement | null | undefined {
  return id === undefined ? undefined : rows?.querySelector<HTMLElement>(`[data-task="${CSS.escape(id)}"] a`);
}

/** Whether nothing that takes keys itself has the focus. */
function isNowhere(element: Element | null): boolean {
  return element === null || element === document.body || element.id === 'main';
}
