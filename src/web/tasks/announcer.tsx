import { useEffect, useRef, useState } from 'preact/hooks';
import type { TaskList } from './task-list.ts';

/** A search is typed letter by letter; only its result is read out. */
const SETTLED_MS = 700;

/** Says to screen readers what matters of a list that changes all the time: who asks, and what a filter found. */
export function Announcer({ list }: { list: TaskList }) {
  const [text, setText] = useState('');
  const asking = list.counts.value.get('input_required') ?? 0;
  const before = useRef(asking);
  useEffect(() => {
    if (asking > before.current) setText(asking === 1 ? 'A task asks you.' : `${asking} tasks ask you.`);
    before.current = asking;
  }, [asking]);

  const { filter, pages } = list.listing.value;
  const loaded = pages.value > 0;
  const first = useRef(true);
  useEffect(() => {
    if (!loaded) return;
    if (first.current) {
      first.current = false;
      return;
    }
    const timer = setTimeout(() => {
      const count = list.ids.peek().length;
      setText(count === 1 ? '1 task is shown.' : `${count} tasks are shown.`);
    }, SETTLED_MS);
    return () => clearTimeout(timer);
  }, [filter, loaded]);
  return (
    <p class="visually-hidden" role="status">
      {text}
    </p>
  );
}
