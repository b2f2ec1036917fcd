import { useEffect, useState } from 'preact/hooks';
import type { Problem } from '../../api/problem.ts';
import { formatBytes } from '../../parts/bytes.ts';
import { Chunks } from '../../parts/chunks.tsx';
import { visibleName } from '../../parts/plain-text.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import { problemIn } from './change-set.ts';
import type { Token } from './highlight.ts';
import { Image } from './image.tsx';
import { languageOf } from './language.ts';
import { LineText } from './line-text.tsx';
import { type FileContent, loadFile } from './load-file.ts';

const ROW_HEIGHT = 19;
/** Lines beyond this are of programs, not of people: colours would only cost time. */
const MAX_LINE = 20_000;

interface Row {
  text: string;
  tokens?: Token[];
}

type Loaded = FileContent | { kind: 'failed'; problem: Problem };

function isSame(before: Loaded | undefined, { etag }: FileContent): boolean {
  return before !== undefined && before.kind !== 'failed' && etag !== null && before.etag === etag;
}

/** What is in a file now; read again when `revision` changes. */
export function Content({ taskId, path, revision }: { taskId: string; path: string; revision: number }) {
  const [loaded, setLoaded] = useState<Loaded | undefined>();
  useEffect(() => {
    const stop = new AbortController();
    const show = (next: FileContent): void => setLoaded((before) => (isSame(before, next) ? before : next));
    loadFile(taskId, path, stop.signal).then(show, (thrown: unknown) => {
      const problem = problemIn(thrown);
      if (problem) setLoaded({ kind: 'failed', problem });
    });
    return () => stop.abort();
  }, [taskId, path, revision]);
  switch (loaded?.kind) {
    case undefined:
      return <p class="muted note">Loading…</p>;
    case 'failed':
      return <ProblemNote problem={loaded.problem} />;
    case 'binary':
      return (
        <p class="note">
          Binary file, {formatBytes(loaded.size)}, {visibleName(loaded.mediaType)}.
        </p>
      );
    case 'image':
      return <Image content={loaded.image} size={loaded.size} name={visibleName(path)} />;
    case 'text':
      return (
        <>
          {loaded.image && <Image content={loaded.image} size={loaded.size} name={visibleName(path)} />}
          <Text text={loaded.text} size={loaded.size} path={path} />
        </>
      );
  }
}

function Text({ text, size, path }: { text: string; size: number; path: string }) {
  const [rows, setRows] = useState<Row[]>([]);
  const isWhole = new TextEncoder().encode(text).length >= size;
  useEffect(() => {
    const stop = new AbortController();
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    setRows(lines.map((line) => ({ text: line })));
    const language = languageOf(path);
    if (language && isWhole && lines.every((line) => line.length <= MAX_LINE)) {
      void colours({ text, language }, stop.signal).then((tokens) => {
        if (tokens) setRows(lines.map((line, index) => ({ text: line, tokens: tokens[index] ?? [] })));
      });
    }
    return () => stop.abort();
  }, [text, path, isWhole]);
  if (size === 0) return <p class="muted note">The file is empty.</p>;
  return (
    <>
      {!isWhole && (
        <p class="muted note">
          This is the beginning of {formatBytes(size)}; download the file to see all of it.
        </p>
      )}
      <div class="diff content">
        <Chunks rows={rows} render={contentRow} rowHeight={ROW_HEIGHT} />
      </div>
    </>
  );
}

async function colours(job: { text: string; language: string }, signal: AbortSignal) {
  const { highlightAside } = await import('./highlight-worker.ts');
  return signal.aborted ? undefined : highlightAside(job, signal);
}

function contentRow({ text, tokens }: Row, index: number) {
  return (
    <div key={index} class="row">
      <span class="line-number" data-number={index + 1} />
      <span class="text">
        <LineText text={text} {...(tokens && { tokens })} />
      </span>
    </div>
  );
}
