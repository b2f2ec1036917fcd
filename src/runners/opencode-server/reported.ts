import type { TaskEvent } from '../../tasks/events.ts';

export type Reported = 'nothing' | 'start' | 'end';

/** The keys of what an event in the log reports. */
export function reportedBy(event: TaskEvent): string[] {
  if (event.kind === 'output') return [event.part_id];
  if (event.kind !== 'tool') return [];
  const statuses = event.phase === 'started' ? ['running'] : ['running', 'completed', 'error'];
  return statuses.map((status) => callKey(event.call_id, status));
}

/** The key of a call in one status. */
export function callKey(callId: string, status: string): string {
  return `${callId} ${status}`;
}

/** What the keys say of a text part or of a call. */
export function reportedOf(id: string, keys: ReadonlySet<string>): Reported {
  const has = (status: string): boolean => keys.has(callKey(id, status));
  if (keys.has(id) || has('completed') || has('error')) return 'end';
  return has('running') ? 'start' : 'nothing';
}
