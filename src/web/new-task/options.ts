import { useEffect, useState } from 'preact/hooks';
import type { z } from 'zod';
import type { taskOptionsSchema } from '../../api/task-options.ts';
import { api, Problem } from '../api/client.ts';

/** GET /options; empty until the bridge has answered. A list that is absent is not known. */
export type Options = Partial<z.output<typeof taskOptionsSchema>>;

/**
 * The options for a folder, read again when it changes. They are a help: every field takes any text without them.
 * `refused` gets the problem if tasks may not work in the folder.
 */
export function useOptions(directory: string, refused: (problem: Problem) => void): Options {
  const [options, setOptions] = useState<Options>({});
  useEffect(() => {
    const stop = new AbortController();
    api.get<Options>('/options', { directory }, stop.signal).then(setOptions, (thrown: unknown) => {
      if (stop.signal.aborted) return;
      if (!(thrown instanceof Problem)) throw thrown;
      if (thrown.status === 400) refused(thrown);
    });
    return () => stop.abort();
  }, [directory]);
  return options;
}
