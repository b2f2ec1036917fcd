import { formatAge } from '../parts/duration.ts';
import { visible } from '../parts/plain-text.ts';
import type { Dependency, Lag } from './health.ts';

const STATES: Record<Dependency['status'], string> = { ok: 'Works', degraded: 'Degraded', down: 'Down' };

/** What the bridge depends on, and what it delivers to, with what is not delivered yet. */
export function Dependencies({ dependencies }: { dependencies: readonly Dependency[] }) {
  const hasLag = dependencies.some(({ lag }) => lag !== undefined);
  return (
    <section class="wide" aria-labelledby="dependencies-title">
      <h2 id="dependencies-title">Dependencies</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col">Detail</th>
            {hasLag && <th scope="col">Undelivered</th>}
          </tr>
        </thead>
        <tbody>
          {dependencies.map(({ name, status, detail, lag }) => (
            <tr key={name}>
              <th scope="row">{visible(name)}</th>
              <td class={`level-${status}`}>{STATES[status]}</td>
              <td>{visible(detail)}</td>
              {hasLag && <td class="number">{lag && describe(lag)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function describe({ events, tasks, oldest_ms }: Lag): string {
  if (events === 0) return '0';
  const count = `${plural(events, 'event')} of ${plural(tasks, 'task')}`;
  return oldest_ms === undefined ? count : `${count}, the oldest ${formatAge(oldest_ms)} old`;
}

function plural(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}
