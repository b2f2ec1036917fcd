import type { TaskEvent } from '../../src/tasks/events.ts';

/** What a finished part is told by, for each event that tells of one. */
export function partsOf(events: readonly TaskEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.kind === 'output') return [event.text];
    if (event.kind === 'tool') return [`${event.tool} ${event.phase}`];
    return event.kind === 'file_changed' ? [event.path] : [];
  });
}
