import { now, second } from '../parts/clock.ts';
import { formatDuration } from '../parts/duration.ts';
import { visible } from '../parts/plain-text.ts';
import { Fact } from './fact.tsx';
import type { Reading } from './health.ts';

/** What answers, since when, and how fast. */
export function Bridge({ reading: { report, roundTripMs, at } }: { reading: Reading }) {
  return (
    <section aria-labelledby="bridge-title">
      <h2 id="bridge-title">Bridge</h2>
      <dl class="facts">
        <Fact name="Version">{report.version}</Fact>
        <Fact name="Mode">{report.mode}</Fact>
        {report.project_id && <Fact name="Project">{visible(report.project_id)}</Fact>}
        <Fact name="Up for">
          <Uptime since={at - report.uptime_ms} />
        </Fact>
        <Fact name="Answers in">{formatDuration(roundTripMs)}</Fact>
        {report.queue && <Fact name="Queue">{describeQueue(report.queue)}</Fact>}
      </dl>
    </section>
  );
}

function Uptime({ since }: { since: number }) {
  second.value;
  const started = new Date(now() - (Date.now() - since));
  return <time dateTime={started.toISOString()}>{formatDuration(Date.now() - since)}</time>;
}

function describeQueue({ length, max, oldest_ms }: NonNullable<Reading['report']['queue']>): string {
  const count = `${length} of ${max}`;
  return oldest_ms === undefined ? count : `${count}, the first for ${formatDuration(oldest_ms)}`;
}
