import type { DependencyHealth } from '../health.ts';
import type { TaskDelivery } from './task-delivery.ts';

interface SinkFailures {
  /** Deliveries whose last call failed. */
  failing: number;
  lastError: string | undefined;
  /** Why delivery stopped; undefined while it runs. */
  stopped: string | undefined;
  givenUp: number;
}

/** Health of a sink. It is never `down`, because tasks run without sinks. */
export function healthOf(name: string, lag: Lag, failures: SinkFailures): DependencyHealth {
  const { failing, lastError, stopped, givenUp } = failures;
  const details = [describeLag(lag)];
  if (failing > 0) details.push(`${failing} failing, last error: ${lastError}`);
  if (stopped !== undefined) details.push(`stopped: ${stopped}`);
  if (givenUp > 0) details.push(`given up: ${givenUp}`);
  const status = failing > 0 || stopped !== undefined ? 'degraded' : 'ok';
  const { events, tasks, ms } = lag;
  return {
    name,
    status,
    detail: details.join('; '),
    lag: { events, tasks, oldest_ms: tasks === 0 ? undefined : ms },
  };
}

/** Events that are not delivered to a sink yet. */
export interface Lag {
  tasks: number;
  events: number;
  /** Age of the oldest, in milliseconds. */
  ms: number;
}

export function measureLag(deliveries: Iterable<TaskDelivery>, now: number): Lag {
  let tasks = 0;
  let events = 0;
  let since = now;
  for (const { missing, behindSince } of deliveries) {
    if (missing <= 0) continue;
    tasks += 1;
    events += missing;
    since = Math.min(since, behindSince ?? now);
  }
  return { tasks, events, ms: now - since };
}

function describeLag({ tasks, events, ms }: Lag): string {
  if (tasks === 0) return 'up to date';
  return `${events} event(s) of ${tasks} task(s) behind, by ${Math.round(ms / 1_000)} s`;
}
