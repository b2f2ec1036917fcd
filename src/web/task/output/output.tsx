import { useComputed } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { copyText } from '../../parts/clipboard.ts';
import { VirtualList, type VirtualListHandle } from '../../parts/virtual-list.tsx';
import { query } from '../../router.ts';
import type { TaskLog } from '../task-log.ts';
import { Announcer } from './announcer.ts';
import { ExportBox } from './export-box.tsx';
import { filterOf } from './filter.ts';
import { FilterBox } from './filter-box.tsx';
import { keyHandler } from './keys.ts';
import { LiveTail, LiveTailView } from './live-tail.tsx';
import { OutputLog } from './output-log.ts';
import { textOfRow } from './row-text.ts';
import { type RowActions, RowView } from './row-view.tsx';
import { SearchBox } from './search-box.tsx';
import './output.css';

/** What happens in a task, as in a terminal. */
export function Output({ log }: { log: TaskLog }) {
  const { output, announcer, tail } = useMemo(() => {
    const known = log.task.peek()?.last_seq ?? 0;
    const announcer = new Announcer(({ id }) => id <= known);
    const output = new OutputLog(log, filterOf(query.peek()), (row) => announcer.add(row));
    return { output, announcer, tail: new LiveTail() };
  }, [log]);
  const filterKey = useComputed(() => `${query.value.get('severity')} ${query.value.get('show')}`).value;
  useEffect(() => output.setFilter(filterOf(query.peek())), [output, filterKey]);
  useEffect(() => log.version.subscribe(() => output.update()), [output, log]);

  const list = useRef<VirtualListHandle>(null);
  const input = useRef<HTMLInputElement>(null);
  const goToHit = (step: 1 | -1): void => {
    const row = output.goToHit(step, list.current?.edge('first') ?? 0);
    if (row) list.current?.show(row.id, 'middle');
  };
  const onKeyDown = useMemo(() => keyHandler(output, () => list.current, goToHit), [output]);
  const actions = useMemo<RowActions>(
    () => ({
      toggle: (row) => output.toggle(row),
      showMore: (row, direction) => output.showMore(row, direction),
      copy: (row) => void copyText(textOfRow(row)),
    }),
    [output],
  );
  const onClick = ({ target }: MouseEvent): void => {
    const row = target instanceof Element ? target.closest<HTMLElement>('[data-id]') : null;
    if (row) output.selected.value = Number(row.dataset.id);
  };
  useEffect(() => {
    const onSlash = (event: KeyboardEvent): void => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target))
        return;
      event.preventDefault();
      input.current?.select();
      input.current?.focus();
    };
    addEventListener('keydown', onSlash);
    return () => removeEventListener('keydown', onSlash);
  }, []);

  const version = output.version.value;
  const selected = output.selected.value;
  const hit = output.hit.value;
  const parts = tail.partsOf(log.live, output.hasSubagents);
  const render = (id: number) => {
    const row = output.row(id);
    if (!row) return null;
    return (
      <RowView
        key={id}
        row={row}
        isUnfolded={row.type === 'tool' && output.excerpts.isUnfolded(row)}
        range={output.excerpts.rangeOf(row)}
        isSelected={id === selected}
        pattern={output.search?.pattern}
        hit={hit?.id === id ? hit.index : undefined}
        live={row.type === 'tool' && row.state === 'running' ? log.live.parts.get(row.callId) : undefined}
        actions={actions}
      />
    );
  };
  const isEmpty = output.shown.heights.ids.length === 0 && parts.length === 0;
  return (
    <div class="output">
      <div class="output-bar">
        <SearchBox output={output} input={input} onStep={goToHit} onLeave={() => list.current?.focus()} />
        <FilterBox filter={filterOf(query.value)} />
        <ExportBox output={output} taskId={log.taskId} />
      </div>
      <div class="output-rows">
        <VirtualList
          rows={output.shown.heights}
          version={version}
          following={output.following}
          render={render}
          footer={<LiveTailView parts={parts} />}
          handle={list}
          attributes={{
            role: 'group',
            tabIndex: 0,
            'aria-label': 'Output of the task',
            'aria-activedescendant': selected === undefined ? undefined : `row-${selected}`,
            onKeyDown,
            onClick,
          }}
        />
        {isEmpty && <p class="output-empty muted">{emptyText(output)}</p>}
        <JumpToEnd output={output} />
      </div>
      <p class="visually-hidden" role="status">
        {announcer.text}
      </p>
    </div>
  );
}

function JumpToEnd({ output }: { output: OutputLog }) {
  const isFollowing = output.following.value;
  useEffect(() => {
    if (isFollowing) output.unseen.value = 0;
  }, [isFollowing, output]);
  if (isFollowing) return null;
  const unseen = output.unseen.value;
  const jump = (): void => {
    output.following.value = true;
    output.version.value = output.version.peek() + 1;
  };
  return (
    <button type="button" class="jump" tabIndex={-1} onClick={jump}>
      ↓ Jump to the end{unseen > 0 && ` · ${unseen} new ${unseen === 1 ? 'row' : 'rows'}`}
    </button>
  );
}

function emptyText({ shown, isBehind }: OutputLog): string {
  if (isBehind) return 'Loading…';
  const { severity, kinds } = shown.filter;
  return severity === 'info' && kinds.size > 5 ? 'Nothing yet.' : 'No row passes the filter.';
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable]') !== null;
}
