import { useEffect, useState } from 'preact/hooks';
import { api, Problem } from '../api/client.ts';

/** GET /options: what a task can be given here. A list that is absent is not known. */
export interface Options {
  directories?: { roots?: string[]; suggestions?: string[] };
  models?: { id: string; name?: string }[];
  default_model?: string;
  agents?: { name: string; description?: string }[];
  default_agent?: string;
  limits?: {
    timeout_ms?: { default?: number; max?: number };
    max_cost_usd?: { default?: number };
    max_tokens?: { default?: number };
  };
}

/** The options for a folder, read again when it changes; empty where the bridge has none to offer. */
export function useOptions(directory: string): Options {
  const [options, setOptions] = useState<Options>({});
  useEffect(() => {
    const stop = new AbortController();
    const query = directory === '' ? {} : { directory };
    api.get<Options>('/options', query, stop.signal).then(setOptions, (thrown: unknown) => {
      // They are a help: every field takes any text without them.
      if (!(thrown instanceof Problem) && !stop.signal.aborted) throw thrown;
    });
    return () => stop.abort();
  }, [directory]);
  return options;
}
