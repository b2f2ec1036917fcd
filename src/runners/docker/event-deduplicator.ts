import type { TaskEvent, TaskEventBody } from '../../tasks/events.ts';

/** Drops what was emitted before: by an earlier process, as the task's log shows, or by an earlier reading of the output. */
export class EventDeduplicator {
  readonly #emitted: Set<string>;

  constructor(past: readonly TaskEvent[]) {
    this.#emitted = new Set(past.flatMap((event) => keyOf(event) ?? []));
  }

  /** The event in a list, which is empty where it was emitted before or has no key. */
  once(event: TaskEventBody): TaskEventBody[] {
    const key = keyOf(event);
    if (key === undefined || this.#emitted.has(key)) return [];
    this.#emitted.add(key);
    return [event];
  }
}

/** Two events with the same key are the same event. */
function keyOf(event: TaskEventBody): string | undefined {
  if (event.kind === 'output') return `part ${event.part_id}`;
  if (event.kind === 'tool' && event.phase === 'finished') return `call ${event.call_id}`;
  return event.kind === 'warning' ? `${event.code} ${event.message}` : undefined;
}
