import { useEffect, useMemo } from 'preact/hooks';
import { second } from '../parts/clock.ts';
import { formatAge } from '../parts/duration.ts';
import { visible } from '../parts/plain-text.ts';
import { showState } from '../title.ts';
import { Bridge } from './bridge.tsx';
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
  useEffect(() => {
    showState(state.level === 'ok' ? 'System' : `${state.short} · System`, ICONS[state.level]);
  }, [state.level, state.short]);
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
          <Dependencies dependencies={reading.report.dependencies} />
          <Bridge reading={reading} />
          <TaskCounts tasks={reading.report.tasks} />
          <Limits />
        </div>
      )}
    </section>
  );
}

/** The icons of these states of a task have the colours. */
const ICONS = { ok: undefined, degraded: 'paused', down: 'failed', unknown: undefined } as const;

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
