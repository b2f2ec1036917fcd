import type { VirtualListHandle } from '../../parts/virtual-list.tsx';
import type { OutputLog } from './output-log.ts';

/** What the keys do while the rows have the focus. */
export function keyHandler(
  output: OutputLog,
  list: () => VirtualListHandle | null,
  goToHit: (step: 1 | -1) => void,
): (event: KeyboardEvent) => void {
  const { heights } = output.shown;
  const selectedRow = () => {
    const id = output.selected.peek();
    return id === undefined ? undefined : output.row(id);
  };
  const select = (id: number | undefined): void => {
    if (id === undefined) return;
    output.selected.value = id;
    list()?.show(id, 'nearest');
  };
  const move = (step: 1 | -1): void => {
    const selected = output.selected.peek();
    if (selected === undefined || !heights.has(selected)) select(list()?.edge(step === 1 ? 'first' : 'last'));
    else if (list()?.scrollWithin(selected, step) !== true)
      select(heights.ids[heights.indexOf(selected) + step]);
  };
  const page = (step: 1 | -1): void => {
    list()?.scrollPage(step);
    output.selected.value = list()?.edge(step === 1 ? 'last' : 'first');
  };
  const toEnd = (): void => {
    output.selected.value = heights.ids.at(-1);
    output.following.value = true;
    output.version.value = output.version.peek() + 1;
  };
  const toggle = (): void => {
    const row = selectedRow();
    if (row) output.toggle(row);
  };
  const actions: Record<string, () => void> = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => page(1),
    PageUp: () => page(-1),
    Home: () => select(heights.ids[0]),
    End: toEnd,
    Enter: toggle,
    n: () => goToHit(1),
    N: () => goToHit(-1),
  };
  return (event) => {
    const action = actions[event.key];
    // A button in a row has the keys for itself.
    if (!action || event.ctrlKey || event.metaKey || event.altKey || isButton(event.target)) return;
    event.preventDefault();
    action();
  };
}

function isButton(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('button') !== null;
}
