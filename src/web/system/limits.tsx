import { useEffect, useState } from 'preact/hooks';
import { api, Problem } from '../api/client.ts';
import { isRecord } from '../api/problem.ts';
import { Fact } from './fact.tsx';
import { limitRows } from './limit-rows.ts';

/** The limits of GET /options; they do not change while the bridge runs. */
export function Limits() {
  const [limits, setLimits] = useState<unknown>(undefined);
  useEffect(() => {
    const stop = new AbortController();
    api.get<{ limits?: unknown }>('/options', {}, stop.signal).then(
      ({ limits }) => setLimits(limits),
      (thrown: unknown) => {
        if (!(thrown instanceof Problem) && !stop.signal.aborted) throw thrown;
      },
    );
    return () => stop.abort();
  }, []);
  if (!isRecord(limits)) return null;
  return (
    <section aria-labelledby="limits-title">
      <h2 id="limits-title">Limits</h2>
      <dl class="facts">
        {limitRows(limits).map(({ name, value }) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </dl>
    </section>
  );
}
