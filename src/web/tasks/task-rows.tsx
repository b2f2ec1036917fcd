import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { whenIdle } from '../parts/when-idle.ts';
import { TaskItem } from './task-item.tsx';
import type { TaskList } from './task-list.ts';

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

/** About a screen: drawn first, so that one can read and click before the browser makes the others. As in tasks.css. */
const FIRST_ROWS = 20;

/** The rows. One of them is in the order of the Tab key; other keys move from row to row, Enter opens. */
export function TaskRows({ list }: { list: TaskList }) {
  const ids = list.ids.value;
  // Back from a task, its row has to be there.
  const [isFirst, setIsFirst] = useState(list.current.peek() === undefined);
  useEffect(() => whenIdle(() => setIsFirst(false)), []);
  /** The row to which a key leads that is not drawn yet. */
  const wanted = useRef<string>(undefined);
  const rows = useRef<HTMLUListElement>(null);
  const focused = idAt(document.activeElement);

  // To move a row in the document takes the focus from it.
  useLayoutEffect(() => {
    if (focused !== undefined && linkOf(rows.current, focused) !== document.activeElement) {
      linkOf(rows.current, focused)?.focus({ preventScroll: true });
    }
  }, [ids]);

  useLayoutEffect(() => {
    linkOf(rows.current, wanted.current)?.focus();
    wanted.current = undefined;
  }, [isFirst]);

  // Back from a task: at its row again.
  useEffect(() => {
    if (isNowhere(document.activeElement)) linkOf(rows.current, list.current.peek())?.focus();
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
      const to = at === undefined ? known.indexOf(list.tabStop.peek() ?? '') : from + step;
      const id = known[Math.max(0, Math.min(known.length - 1, to))];
      const link = linkOf(rows.current, id);
      wanted.current = link ? undefined : id;
      if (link) link.focus();
      else setIsFirst(false);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [list]);

  return (
    <>
      <Heads />
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the link takes the keys; a click in its row stands for it */}
      <ul
        class="task-items"
        ref={rows}
        aria-label="Tasks"
        onFocusIn={({ target }) => {
          const id = target instanceof Element ? idAt(target) : undefined;
          if (id !== undefined) list.current.value = id;
        }}
        onClick={openRow}
      >
        {(isFirst ? ids.slice(0, FIRST_ROWS) : ids).map((id) => (
          <TaskItem key={id} list={list} id={id} />
        ))}
      </ul>
    </>
  );
}

/** For the eyes alone: a row says itself what its parts are. */
function Heads() {
  return (
    <div class="task-heads muted" aria-hidden="true">
      {['Status', 'Task', 'Agent', 'Progress', 'Cost', 'Ran', 'Age'].map((name) => (
        <span key={name}>{name}</span>
      ))}
    </div>
  );
}

/** The link covers its row, but for what has more to say on hover. */
function openRow(event: MouseEvent): void {
  if (!(event.target instanceof Element) || event.target.closest('a')) return;
  const link = event.target.closest('.task-item')?.querySelector('a');
  link?.dispatchEvent(new MouseEvent('click', event));
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
