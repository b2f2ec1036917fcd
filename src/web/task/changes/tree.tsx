import { useMemo, useState } from 'preact/hooks';
import { Chunks } from '../../parts/chunks.tsx';
import { visibleName } from '../../parts/plain-text.ts';
import { Counts } from './counts.tsx';
import type { TreeRow } from './file-tree.ts';

const ROW_HEIGHT = 24;
const LETTERS = { added: 'A', modified: 'M', deleted: 'D' };

interface TreeProps {
  label: string;
  rows: readonly TreeRow[];
  /** The path of a file. */
  selected: string | undefined;
  isOpen: (path: string) => boolean;
  onToggle: (path: string) => void;
  hrefOf: (path: string) => string;
}

/** A tree of files: arrow keys move, right and left open and close folders, enter shows a file. */
export function Tree({ label, rows, selected, isOpen, onToggle, hrefOf }: TreeProps) {
  const [focused, setFocused] = useState<string | undefined>();
  const wanted = focused ?? selected;
  const entry = rows.some(({ path }) => path === wanted) ? wanted : rows[0]?.path;
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLElement }): void => {
    const row = rows.find(({ path }) => path === entry);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=treeitem]')];
    const at = items.findIndex((item) => item.matches(':focus'));
    const toggles =
      row.kind === 'folder' &&
      (event.key === (isOpen(row.path) ? 'ArrowLeft' : 'ArrowRight') ||
        event.key === 'Enter' ||
        event.key === ' ');
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: items.length - 1,
      ArrowRight: row.kind === 'folder' ? at + 1 : at,
      ArrowLeft: items.slice(0, at).findLastIndex((item) => Number(item.ariaLevel) < row.level),
    }[event.key];
    if (toggles) onToggle(row.path);
    else if (to === undefined) return;
    else items[to]?.focus();
    event.preventDefault();
  };
  const render = useMemo(
    () => (row: TreeRow) => {
      const tabIndex = row.path === entry ? 0 : -1;
      const props = {
        key: row.path,
        class: 'tree-row',
        'aria-level': row.level,
        title: visibleName(row.path),
        style: { '--level': row.level },
        onFocus: () => setFocused(row.path),
      };
      if (row.kind === 'file') {
        return (
          <a
            {...props}
            role="treeitem"
            tabIndex={tabIndex}
            href={hrefOf(row.path)}
            aria-selected={row.path === selected}
          >
            <Label row={row} />
          </a>
        );
      }
      return (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles the keys of its rows
        <div
          {...props}
          role="treeitem"
          tabIndex={tabIndex}
          aria-expanded={isOpen(row.path)}
          onClick={() => onToggle(row.path)}
        >
          <Label row={row} />
        </div>
      );
    },
    [entry, selected, isOpen, onToggle, hrefOf],
  );
  return (
    <div class="tree" role="tree" aria-label={label} onKeyDown={onKeyDown}>
      <Chunks rows={rows} render={render} rowHeight={ROW_HEIGHT} />
    </div>
  );
}

function Label({ row }: { row: TreeRow }) {
  return (
    <>
      <bdi class="name">{visibleName(row.name)}</bdi>
      <Counts additions={row.additions} deletions={row.deletions} />
      {row.change && (
        <span class={`letter letter-${row.change}`} title={row.change}>
          <span aria-hidden="true">{LETTERS[row.change]}</span>
          <span class="visually-hidden">{row.change}</span>
        </span>
      )}
    </>
  );
}

/** A set with an entry more, or less if it was in it. */
export function toggled(set: ReadonlySet<string>, entry: string): Set<string> {
  const result = new Set(set);
  if (!result.delete(entry)) result.add(entry);
  return result;
}
