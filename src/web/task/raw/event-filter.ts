import type { TaskEvent, TaskEventKind } from '../../api/task.ts';

/** What is shown: events of these kinds (empty: of all) that contain a text. */
export interface EventQuery {
  kinds: ReadonlySet<TaskEventKind>;
  /** Upper and lower case are the same. */
  text: string;
}

/**
 * The events that match a query, as they come. `rows` only grows, so that who shows it need not begin again; a new
 * query needs a new filter.
 */
export class EventFilter {
  readonly rows: TaskEvent[] = [];
  readonly counts = new Map<TaskEventKind, number>();
  readonly #kinds: ReadonlySet<TaskEventKind>;
  readonly #text: string;
  #seen = 0;

  constructor({ kinds, text }: EventQuery) {
    this.#kinds = kinds;
    this.#text = text.toLowerCase();
  }

  /** Takes the events that it has not seen. */
  update(events: readonly TaskEvent[]): void {
    const first = events[0]?.seq ?? 1;
    for (let index = Math.max(0, this.#seen + 1 - first); index < events.length; index += 1) {
      const event = events[index];
      if (!event) continue;
      this.#seen = event.seq;
      this.counts.set(event.kind, (this.counts.get(event.kind) ?? 0) + 1);
      if (this.#matches(event)) this.rows.push(event);
    }
  }

  #matches(event: TaskEvent): boolean {
    if (this.#kinds.size > 0 && !this.#kinds.has(event.kind)) return false;
    return this.#text === '' || JSON.stringify(event).toLowerCase().includes(this.#text);
  }
}

/** The fields of an event beside those that each has, in one line of at most `length` characters. */
export function summaryOf(event: TaskEvent, length: number): string {
  const { seq: _, at: __, kind: ___, ...fields } = event;
  const json = JSON.stringify(fields, (_, value: unknown) =>
    typeof value === 'string' && value.length > length ? `${value.slice(0, length)}…` : value,
  );
  return json.length > length ? `${json.slice(0, length)}…` : json;
}
