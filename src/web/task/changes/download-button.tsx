import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Problem } from '../../api/problem.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import { saveFile } from '../../parts/save-file.ts';
import { problemIn } from './change-set.ts';

interface DownloadProps {
  label: string;
  /** A path of the task API. */
  path: string;
  query?: Record<string, boolean>;
  /** Of the file that is saved. */
  name: string;
}

/** Saves what the task API has at a path: a link could not show who one is. */
export function DownloadButton({ label, path, query = {}, name }: DownloadProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>();
  const onClick = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      saveFile(await api.blob(path, query), name);
    } catch (thrown) {
      setProblem(problemIn(thrown));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" class="quiet" disabled={busy} onClick={() => void onClick()}>
        {busy ? 'Downloading…' : label}
      </button>
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}
