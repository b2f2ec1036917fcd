import type { HealthReport } from '../../api/health-report.ts';
import { href } from '../links.ts';
import { Status } from '../parts/status.tsx';
import { STATUS_ORDER } from '../tasks/row.ts';

/** How many tasks there are in each state; each leads to its list. */
export function TaskCounts({ tasks }: { tasks: HealthReport['tasks'] }) {
  return (
    <section aria-labelledby="tasks-title">
      <h2 id="tasks-title">Tasks</h2>
      <dl class="facts">
        {STATUS_ORDER.map((status) => (
          <div key={status}>
            <dt>
              <a href={href(`/?status=${status}`)}>
                <Status status={status} />
              </a>
            </dt>
            <dd class="number">{tasks.by_status[status] ?? 0}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
