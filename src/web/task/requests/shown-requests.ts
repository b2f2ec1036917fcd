import type { EventOf, InputRequest, TaskEvent } from '../../api/task.ts';

/** A request that was open while this page was, and how it was closed. */
export interface ClosedRequest {
  request: InputRequest;
  closing: EventOf<'request_closed'>;
}

/** Those that are kept. */
const MAX_CLOSED = 5;

/** The requests that this page has shown: the open ones, and how the others were closed. */
export class ShownRequests {
  /** Those that were open and are not known to be closed: the task may be read before and after the event. */
  readonly #known = new Map<string, InputRequest>();
  readonly #gone = new Set<string>();
  #open: readonly InputRequest[] = [];
  #closed: readonly ClosedRequest[] = [];
  #seq: number;

  /** `seq`: closings up to it are history. */
  constructor(seq: number) {
    this.#seq = seq;
  }

  get open(): readonly InputRequest[] {
    return this.#open;
  }

  /** Oldest first. What a policy answered is no news: nobody was asked. */
  get closed(): readonly ClosedRequest[] {
    return this.#closed;
  }

  /** The last event that was looked at. */
  get seq(): number {
    return this.#seq;
  }

  /** Takes what the task has open, and the events after `seq`, in order. */
  update(requests: readonly InputRequest[], events: Iterable<TaskEvent>): void {
    for (const request of requests) this.#known.set(request.id, request);
    for (const event of events) {
      this.#seq = event.seq;
      if (event.kind !== 'request_closed') continue;
      this.#gone.add(event.request_id);
      const request = this.#known.get(event.request_id);
      this.#known.delete(event.request_id);
      if (!request || event.by.startsWith('policy ')) continue;
      this.#closed = [...this.#closed, { request, closing: event }].slice(-MAX_CLOSED);
    }
    this.#open = requests.filter(({ id }) => !this.#gone.has(id));
  }

  dismiss(id: string): void {
    this.#closed = this.#closed.filter(({ request }) => request.id !== id);
  }
}

/** Who closed a request, and how, in one sentence. `mine`: this page sent the answer. */
export function closingInWords({ by, reply }: EventOf<'request_closed'>, mine: boolean): string {
  const who = mine ? 'you' : by;
  switch (reply) {
    case 'once':
      return `Allowed once by ${who}`;
    case 'always':
      return `Allowed always by ${who}`;
    case 'reject':
      return by === 'deadline' ? 'Rejected at the deadline' : `Rejected by ${who}`;
    case 'none':
      return `No longer needed: ${by}`;
    case 'unknown':
    case 'answered':
      return `Answered by ${who}`;
    default:
      return by === 'deadline' ? 'Nobody answered before the deadline' : `Answered by ${who}: ${reply}`;
  }
}
