import type { HealthReport } from '../../api/health-report.ts';
import { formatDuration } from '../parts/duration.ts';
import { visible } from '../parts/plain-text.ts';

type Dependency = HealthReport['dependencies'][number] & { latency_ms?: number | undefined };

/** What the bridge depends on, and what it delivers to. */
export function Dependencies({ dependencies }: { dependencies: readonly Dependency[] }) {
  const hasLatency = dependencies.some(({ latency_ms }) => latency_ms !== undefined);
  return (
    <section class="wide" aria-labelledby="dependencies-title">
      <h2 id="dependencies-title">Dependencies</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col">Detail</th>
            {hasLatency && (
              <th scope="col" class="number">
                Latency
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {dependencies.map(({ name, status, detail, latency_ms }) => (
            <tr key={name}>
              <th scope="row">{visible(name)}</th>
              <td class={`level-${status}`}>{STATES[status]}</td>
              <td>{visible(detail)}</td>
              {hasLatency && (
                <td class="number">{latency_ms === undefined ? '' : formatDuration(latency_ms)}</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const STATES: Record<Dependency['status'], string> = { ok: 'Works', degraded: 'Degraded', down: 'Down' };
