import type { Signal } from '@preact/signals';
import type { ComponentChild, HTMLAttributes, Ref } from 'preact';
import { useCallback, useImperativeHandle, useLayoutEffect, useReducer, useRef } from 'preact/hooks';
import type { RowHeights } from './row-heights.ts';

/** Pixels above and below what can be seen, for which rows exist too. */
const OVERSCAN = 600;
/** Pixels from the end that count as the end. */
const NEAR = 8;

/** Pixels that a step scrolls in a row that is higher than the box. */
const LINE = 80;
/** Share of the height that a page scrolls. */
const PAGE = 0.9;

export interface VirtualListHandle {
  focus(): void;
  /** Shows a row: as little scrolling as possible, or so that it is in the middle. */
  show(id: number, where: 'nearest' | 'middle'): void;
  /** Scrolls a little in a row that goes beyond the edge in this direction; false if it does not. */
  scrollWithin(id: number, direction: 1 | -1): boolean;
  scrollPage(direction: 1 | -1): void;
  /** The row at the upper or lower edge. */
  edge(which: 'first' | 'last'): number | undefined;
}

interface Props {
  rows: RowHeights;
  /** Another number: the rows have changed. */
  version: number;
  /** Whether the end stays in view. Set here when somebody scrolls: up ends it, down to the end begins it. */
  following: Signal<boolean>;
  render(id: number): ComponentChild;
  /** Behind the last row. */
  footer: ComponentChild;
  handle: Ref<VirtualListHandle>;
  /** Of the element that scrolls: its name, what the keys do. */
  attributes: HTMLAttributes<HTMLDivElement>;
}

/**
 * A list of which only the rows that can be seen are elements. What is at the upper edge stays there, whatever changes
 * above or below: after each change the position is set again from the row at the edge (the anchor), or from the end.
 *
 * The element scrolls inside of a box of limited height. Each rendered row needs the attribute `data-id`.
 */
export function VirtualList({ rows, version, following, render, footer, handle, attributes }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const before = useRef<HTMLDivElement>(null);
  const after = useRef<HTMLDivElement>(null);
  const anchor = useRef<{ id: number; offset: number } | undefined>(undefined);
  const rendered = useRef({ from: 0, to: 0, top: 0, width: 0 });
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);

  const { from, to } = rangeIn(rows, box.current, following.peek(), anchor.current);
  rendered.current = { ...rendered.current, from, to };

  const keepPosition = useCallback(() => {
    const element = box.current;
    if (!element || !before.current || !after.current) return;
    let changed = false;
    for (const row of element.querySelectorAll<HTMLElement>('[data-id]')) {
      changed = rows.measure(Number(row.dataset.id), row.getBoundingClientRect().height) || changed;
    }
    const { from, to } = rendered.current;
    before.current.style.height = `${rows.offsetOf(from)}px`;
    after.current.style.height = `${rows.total - rows.offsetOf(to)}px`;
    const top = following.peek() ? element.scrollHeight : topOf(rows, anchor.current);
    if (top !== undefined && Math.abs(element.scrollTop - top) > 0.5) element.scrollTop = top;
    rendered.current.top = element.scrollTop;
    const needed = rangeIn(rows, element, following.peek(), anchor.current, 0);
    if (changed && (needed.from < from || needed.to > to)) redraw();
  }, [rows, following]);

  useLayoutEffect(keepPosition);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (rendered.current.width !== element.clientWidth) rows.forgetMeasures();
      rendered.current.width = element.clientWidth;
      redraw();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [rows]);

  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    const top = element.scrollTop;
    const isAtEnd = top + element.clientHeight >= element.scrollHeight - NEAR;
    // Growing content moves the end away, but never the position up: that is somebody who scrolls.
    if (isAtEnd) following.value = true;
    else if (top < rendered.current.top - 1) following.value = false;
    rendered.current.top = top;
    const index = rows.indexAt(top);
    const id = rows.ids[index];
    if (id !== undefined) anchor.current = { id, offset: top - rows.offsetOf(index) };
    const needed = rangeIn(rows, element, following.peek(), anchor.current, OVERSCAN / 2);
    if (needed.from < rendered.current.from || needed.to > rendered.current.to) redraw();
  };

  useImperativeHandle(
    handle,
    () => ({
      focus: () => box.current?.focus(),
      show(id, where) {
        const element = box.current;
        if (!element) return;
        const index = rows.indexOf(id);
        const start = rows.offsetOf(index);
        const height = rows.offsetOf(index + 1) - start;
        const { scrollTop, clientHeight } = element;
        if (where === 'middle') anchor.current = { id, offset: -clientHeight / 3 };
        else if (start < scrollTop) anchor.current = { id, offset: 0 };
        else if (start + height > scrollTop + clientHeight)
          anchor.current = { id, offset: Math.min(0, height - clientHeight) };
        else return;
        following.value = false;
        redraw();
      },
      scrollWithin(id, direction) {
        const element = box.current;
        if (!element) return false;
        const index = rows.indexOf(id);
        const { scrollTop, clientHeight } = element;
        const isBeyond =
          direction === 1
            ? rows.offsetOf(index + 1) > scrollTop + clientHeight + 1
            : rows.offsetOf(index) < scrollTop - 1;
        if (!isBeyond || rows.offsetOf(index) > scrollTop + clientHeight) return false;
        element.scrollBy(0, direction * LINE);
        return true;
      },
      scrollPage(direction) {
        box.current?.scrollBy(0, direction * PAGE * box.current.clientHeight);
      },
      edge(which) {
        const element = box.current;
        if (!element) return undefined;
        const offset = element.scrollTop + (which === 'first' ? 0 : element.clientHeight - 1);
        return rows.ids[rows.indexAt(offset)];
      },
    }),
    [rows, following],
  );

  return (
    <div {...attributes} class="virtual-list" ref={box} onScroll={onScroll} data-version={version}>
      {/* New rows are not read out here: there may be hundreds a second. */}
      <div role="log" aria-live="off" aria-label={attributes['aria-label']}>
        <div ref={before} />
        {rows.ids.slice(from, to).map(render)}
        <div ref={after} />
        {footer}
      </div>
    </div>
  );
}

/** The rows that should exist, as indexes. */
function rangeIn(
  rows: RowHeights,
  element: HTMLElement | null,
  following: boolean,
  anchor: { id: number; offset: number } | undefined,
  overscan = OVERSCAN,
): { from: number; to: number } {
  const height = element?.clientHeight ?? 600;
  const top = following ? rows.total - height : (topOf(rows, anchor) ?? element?.scrollTop ?? 0);
  const from = rows.indexAt(Math.max(0, top - overscan));
  const to = following ? rows.ids.length : rows.indexAt(top + height + overscan) + 1;
  return { from, to: Math.min(to, rows.ids.length) };
}

/** The scroll position at which the anchor is where it was. */
function topOf(rows: RowHeights, anchor: { id: number; offset: number } | undefined): number | undefined {
  return anchor && Math.max(0, rows.offsetOf(rows.indexOf(anchor.id)) + anchor.offset);
}
