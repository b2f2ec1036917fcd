import type { DependencyHealth } from '../health.ts';
import type { TaskDelivery } from './task-delivery.ts';

interface Troubles {
  failing: number;
  lastError: string | undefined;
  /** Why nothing is delivered any more. */
  stopped: string | undefined;
  givenUp: number;
}

/** Health of a sink, which is never `down` because tasks run without it: by what is still to be told, in words, and what went wrong. */
export function healthOf(name: string, lag: string, troubles: Troubles): DependencyHealth {
  const { failing, lastError, stopped, givenUp } = troubles;
  const details = [lag];
  if (failing > 0) details.push(`${failing} failing, last error: ${lastError}`);
  if (stopped !== undefined) details.push(`stopped: ${stopped}`);
  if (givenUp > 0) details.push(`given up: ${givenUp}`);
  const status = failing > 0 || stopped !== undefined ? 'degraded' : 'ok';
  return { name, status, detail: details.join('; ') };
}

/** What is still to be told, in words. */
export function describeLag(lanes: Iterable<TaskDelivery>, now: number): string {
  let tasks = 0;
  let events = 0;
  let since = now;
  for (const { missing, behindSince } of lanes) {
    if (missing <= 0) continue;
    tasks += 1;
    events += missing;
    since = Math.min(since, behindSince ?? now);
  }
  if (tasks === 0) return 'up to date';
  const seconds = Math.round((now - since) / 1_000);
  return `${events} event(s) of ${tasks} task(s) behind, by ${seconds} s`;
}
