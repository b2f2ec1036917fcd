import type { Lane } from './lane.ts';

/** How a sink is, as `/health` shows it. Never `down`: tasks run without it. */
export interface SinkHealth {
  name: string;
  status: 'ok' | 'degraded';
  detail: string;
}

/** What is still to be told, in words. */
export function describeLag(lanes: readonly Lane[], now: number): string {
  const behind = lanes.filter(({ missing }) => missing > 0);
  if (behind.length === 0) return 'up to date';
  const events = behind.reduce((sum, { missing }) => sum + missing, 0);
  const since = Math.min(...behind.map(({ behindSince }) => behindSince ?? now));
  const seconds = Math.max(0, Math.round((now - since) / 1_000));
  return `${events} event(s) of ${behind.length} task(s) behind, by ${seconds} s`;
}
