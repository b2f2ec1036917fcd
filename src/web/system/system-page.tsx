import type { ComponentChildren } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { now, second } from '../parts/clock.ts';
import { formatAge, formatDuration } from '../parts/duration.ts';
import { visible } from '../parts/plain-text.ts';
import { setTitle } from '../title.ts';
import { Dependencies } from './dependencies.tsx';
import { HealthMonitor, type Reading } from './health.ts';
import { Limits } from './limits.tsx';
import { TaskCounts } from './task-counts.tsx';
import './system.css';

/** `/system`: how the bridge and what it depends on are. */
export function SystemPage() {
  const monitor = useMemo(() => new HealthMonitor(), []);
  useEffect(() => {
    const stop = new AbortController();
    void monitor.run(stop.signal);
    return () => stop.abort();
  }, [monitor]);
  const reading = monitor.reading.value;
  const problem = monitor.problem.value;
  const state = stateOf(reading, problem !== undefined);
  useEffect(
    () => setTitle(state.level === 'ok' ? 'System' : `${state.short} · System`),
    [state.level, state.short],
  );
  return (
    <section class="system" aria-labelledby="system-title">
      <h1 id="system-title">System</h1>
      <p class={`system-state level-${state.level}`} role="status">
        {state.text}
      </p>
      {problem && (
        <p class="banner">
          {visible(problem.message)} {reading && <LastAnswer at={reading.at} />} The page asks again every 5
          s.
        </p>
      )}
      {reading && (
        <div class={problem ? 'system-parts stale' : 'system-parts'}>
          <Bridge reading={reading} />
          <TaskCounts tasks={reading.report.tasks} />
          <Dependencies dependencies={reading.report.dependencies} />
          <Limits />
        </div>
      )}
    </section>
  );
}

interface State {
  level: 'ok' | 'degraded' | 'down' | 'unknown';
  short: string;
  text: string;
}

function stateOf(reading: Reading | undefined, isSilent: boolean): State {
  if (isSilent) return { level: 'down', short: 'No answer', text: 'The bridge does not answer' };
  if (!reading) return { level: 'unknown', short: '…', text: 'Asking the bridge…' };
  const ill = reading.report.dependencies.filter(({ status }) => status !== 'ok');
  if (ill.length === 0) return { level: 'ok', short: '', text: 'Everything works' };
  const level = ill.some(({ status }) => status === 'down') ? 'down' : 'degraded';
  const names = ill.map(({ name, status }) => `${name} is ${status}`).join(', ');
  return { level, short: level === 'down' ? 'Down' : 'Degraded', text: visible(names) };
}

/** By the clock of this browser on both sides. */
function LastAnswer({ at }: { at: number }) {
  second.value;
  return <>Its last answer is {formatAge(Date.now() - at)} old.</>;
}

function Bridge({ reading: { report, roundTripMs, at } }: { reading: Reading }) {
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
      </dl>
    </section>
  );
}

function Uptime({ since }: { since: number }) {
  second.value;
  const started = new Date(now() - (Date.now() - since));
  return <time dateTime={started.toISOString()}>{formatDuration(Date.now() - since)}</time>;
}

/** A row of a list of facts. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
    </div>
  );
}
