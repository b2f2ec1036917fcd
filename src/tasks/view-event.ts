import type { TaskEvent } from './events.ts';

/** An event as callers see it: times are ISO 8601. */
export function viewEvent({ taskId: _, seq, at, ...event }: TaskEvent) {
  const body =
    event.kind === 'retrying'
      ? { ...event, next_at: iso(event.next_at) }
      : event.kind === 'request_opened'
        ? { ...event, request: { ...event.request, expires_at: iso(event.request.expires_at) } }
        : event;
  return { seq, at: new Date(at).toISOString(), ...body };
}

/** Epoch milliseconds as ISO 8601. */
export function iso(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
