import { useMemo } from 'preact/hooks';
import { Chunks } from '../../parts/chunks.tsx';
import { visible } from '../../parts/plain-text.ts';
import type { LoadedDiff } from './change-set.ts';
import type { FileDiff } from './diff-parser.ts';
import { type PairedLine, type SplitRow, splitRows, type UnifiedRow, unifiedRows } from './diff-rows.ts';
import { LineText } from './line-text.tsx';
import { markWords } from './word-marks.ts';

const ROW_HEIGHT = 19;
const MARKS = { added: '+', deleted: '−', context: ' ' };
const CLASSES = { added: 'line-added', deleted: 'line-deleted', context: '' };
/** That a plain file was added or deleted is said beside its name. */
const USUAL = /^(?:new|deleted) file mode 100644$/;

export type Layout = 'unified' | 'split';

/** The diff of one file. */
export function DiffView({ diff, layout }: { diff: LoadedDiff; layout: Layout }) {
  return (
    <>
      {diff.parts.map((part, index) => (
        <Part key={index} part={part} layout={layout} />
      ))}
      {diff.parts.length === 0 && <p class="muted note">No difference.</p>}
      {diff.cut && <p class="muted note">The diff is longer; download the file to see all of it.</p>}
    </>
  );
}

function Part({ part, layout }: { part: FileDiff; layout: Layout }) {
  const unified = useMemo(() => (layout === 'unified' ? unifiedRows(part) : []), [part, layout]);
  const split = useMemo(() => (layout === 'split' ? splitRows(part) : []), [part, layout]);
  return (
    <>
      {part.notes
        .filter((note) => !USUAL.test(note))
        .map((note) => (
          <p class="muted note" key={note}>
            {visible(note)}
          </p>
        ))}
      {part.binary && <p class="muted note">Binary file; there are no lines to compare.</p>}
      {!part.binary && part.hunks.length === 0 && <p class="muted note">No lines differ.</p>}
      {part.hunks.length > 0 && (
        <div class={`diff ${layout}`}>
          {layout === 'unified' ? (
            <Chunks rows={unified} render={unifiedRow} rowHeight={ROW_HEIGHT} />
          ) : (
            <Chunks rows={split} render={splitRow} rowHeight={ROW_HEIGHT} />
          )}
        </div>
      )}
    </>
  );
}

function unifiedRow(row: UnifiedRow, index: number) {
  if ('header' in row) return <Header key={index} text={row.header} />;
  const { line } = row;
  return (
    <div key={index} class={`row ${CLASSES[line.kind]}`}>
      <span class="line-number" data-number={line.before} />
      <span class="line-number" data-number={line.after} />
      <Text line={line} />
    </div>
  );
}

function splitRow(row: SplitRow, index: number) {
  if ('header' in row) return <Header key={index} text={row.header} />;
  return (
    <div key={index} class="row">
      <Side line={row.left} number={row.left?.before} />
      <Side line={row.right} number={row.right?.after} />
    </div>
  );
}

function Side({ line, number }: { line: PairedLine | undefined; number: number | undefined }) {
  if (!line) return <div class="side missing" />;
  return (
    <div class={`side ${CLASSES[line.kind]}`}>
      <span class="line-number" data-number={number} />
      <Text line={line} />
    </div>
  );
}

function Text({ line }: { line: PairedLine }) {
  const pieces = piecesOf(line);
  return (
    <>
      <span class="sign">{MARKS[line.kind]}</span>
      <span class="text">
        <LineText text={line.text} {...(pieces && { pieces })} />
        {line.unended && <span class="cut"> no line feed at the end</span>}
      </span>
    </>
  );
}

function piecesOf({ kind, text, counterpart }: PairedLine) {
  if (counterpart === undefined) return undefined;
  return kind === 'deleted' ? markWords(text, counterpart)?.before : markWords(counterpart, text)?.after;
}

function Header({ text }: { text: string }) {
  return (
    <div class="row hunk">
      <LineText text={text} />
    </div>
  );
}
