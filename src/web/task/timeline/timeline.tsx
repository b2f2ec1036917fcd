import { useComputed } from '@preact/signals';
import { useMemo, useState } from 'preact/hooks';
import { now, second } from '../../parts/clock.ts';
import { formatDuration } from '../../parts/duration.ts';
import { visible } from '../../parts/plain-text.ts';
import type { TaskLog } from '../task-log.ts';
import { Picture } from './picture.tsx';
import { Slowest } from './slowest.tsx';
import { type Activity, type Span, Timeline as Spans, type TimelineData } from './spans.ts';
import './timeline.css';

const LABELS: Record<Activity, string> = {
  model: 'Model',
  tools: 'Tools',
  waiting: 'Waiting for people',
  paused: 'Paused',
  queued: 'Queued',
  starting: 'Starting',
  retrying: 'Waiting for the provider',
  away: 'Bridge away',
};
/** In the order of a task. */
const ORDER: readonly Activity[] = [
  'queued',
  'starting',
  'model',
  'tools',
  'waiting',
  'paused',
  'retrying',
  'away',
];
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
/** Rows of the table of all parts: the longest. */
const MAX_ROWS = 200;

/** Where the time of a task went. */
export function Timeline({ log }: { log: TaskLog }) {
  const spans = useMemo(() => new Spans(), [log]);
  const timeline = useComputed(() => {
    const isGrowing = log.connection.value === 'live' && log.events.length > 0;
    if (isGrowing) second.value;
    else log.version.value;
    spans.update(log.events);
    return spans.at(now());
  });
  const [chosen, setSelected] = useState<number | undefined>();
  const data = timeline.value;
  const selected = chosen ?? longestOf(data.spans);
  const span = data.spans[selected];
  if (!span) return <p class="muted">Nothing has happened yet.</p>;
  const first = log.events[0]?.seq ?? 1;
  return (
    <div class="timeline">
      {first > 1 && (
        <p class="muted">
          The first {(first - 1).toLocaleString()} events are not loaded; the picture begins after them.
        </p>
      )}
      <Picture data={data} selected={selected} onSelect={setSelected} text={describe(span)} />
      <p class="selected-span">
        <Swatch activity={span.activity} /> {describe(span)}
        {span.details.length > 0 && <code>{visible(span.details.join('\n'))}</code>}
      </p>
      <Totals data={data} />
      <Slowest tools={data.tools} />
      <Parts data={data} />
    </div>
  );
}

function longestOf(spans: readonly Span[]): number {
  return spans.reduce((best, { from, to }, index) => {
    const longest = spans[best];
    return longest && longest.to - longest.from >= to - from ? best : index;
  }, 0);
}

function describe({ activity, from, to }: Span): string {
  return `${LABELS[activity]}: ${formatDuration(to - from)}, ${TIME.format(from)} to ${TIME.format(to)}`;
}

function Swatch({ activity }: { activity: Activity }) {
  return <span class={`swatch activity-${activity}`} aria-hidden="true" />;
}

/** How much of the time each activity took; the legend of the picture. */
function Totals({ data: { totals, from, to } }: { data: TimelineData }) {
  const whole = Math.max(1, to - from);
  const shown = ORDER.filter((activity) => totals[activity] > 0);
  return (
    <table>
      <caption>Where the time went</caption>
      <thead>
        <tr>
          <th scope="col">Activity</th>
          <th scope="col" class="number">
            Time
          </th>
          <th scope="col" class="number">
            Share
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map((activity) => (
          <tr key={activity}>
            <th scope="row">
              <Swatch activity={activity} /> {LABELS[activity]}
            </th>
            <td class="number">{formatDuration(totals[activity])}</td>
            <td class="number">{((100 * totals[activity]) / whole).toFixed(1)} %</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">All</th>
          <td class="number">{formatDuration(to - from)}</td>
          <td />
        </tr>
      </tfoot>
    </table>
  );
}

/** The picture as a table. */
function Parts({ data: { spans } }: { data: TimelineData }) {
  const [isOpen, setOpen] = useState(false);
  const longest = isOpen ? [...spans].sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, MAX_ROWS) : [];
  const rows = longest.sort((a, b) => a.from - b.from);
  return (
    <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        {spans.length > MAX_ROWS
          ? `The ${MAX_ROWS} longest of ${spans.length.toLocaleString()} parts`
          : `All ${spans.length} parts`}
      </summary>
      {isOpen && (
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">Activity</th>
              <th scope="col" class="number">
                Time
              </th>
              <th scope="col">Details</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ activity, from, to, details }) => (
              <tr key={from}>
                <td class="number">{TIME.format(from)}</td>
                <td>
                  <Swatch activity={activity} /> {LABELS[activity]}
                </td>
                <td class="number">{formatDuration(to - from)}</td>
                <td class="mono">{visible(details.join('\n'))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}
