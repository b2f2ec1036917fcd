import type { TaskEvent } from '../../api/task.ts';

/** What a task does at a moment, the first in this list that is true. */
export type Activity = 'away' | 'paused' | 'queued' | 'waiting' | 'tools' | 'retrying' | 'starting' | 'model';

/** A time in which a task did one thing. Times are epoch milliseconds. */
export interface Span {
  activity: Activity;
  from: number;
  to: number;
  /** Such as the commands that ran, or what was asked. */
  details: string[];
}

/** A call of a tool, from its start to its end. */
export interface ToolSpan {
  tool: string;
  title: string;
  from: number;
  to: number;
  /** Absent while it runs. */
  ok?: boolean;
}

export interface TimelineData {
  from: number;
  to: number;
  spans: Span[];
  tools: ToolSpan[];
  /** Milliseconds of each activity. */
  totals: Record<Activity, number>;
}

/** Details of a span that are kept. */
const MAX_DETAILS = 20;

/**
 * Where the time of a task went, from its events in order. Between two events nothing changes: what the events up to
 * there say holds until the next one. A tool of which only the end is known (Docker mode) ran for its duration before
 * that.
 */
export class Timeline {
  readonly #spans: Span[] = [];
  readonly #tools: ToolSpan[] = [];
  readonly #totals = {
    paused: 0,
    waiting: 0,
    tools: 0,
    retrying: 0,
    away: 0,
    queued: 0,
    starting: 0,
    model: 0,
  };
  /** By call. */
  readonly #running = new Map<string, ToolSpan>();
  /** Titles by id. */
  readonly #requests = new Map<string, string>();
  #phase: 'queued' | 'starting' | 'model' | 'ended' = 'model';
  #paused = false;
  /** The provider is asked again at this time. */
  #retryAt: { time: number; message: string } | undefined;
  #from: number | undefined;
  /** The spans reach to here. */
  #until = 0;
  #seen = 0;

  /** Takes the events that it has not seen. */
  update(events: readonly TaskEvent[]): void {
    const first = events[0]?.seq ?? 1;
    for (let index = Math.max(0, this.#seen + 1 - first); index < events.length; index += 1) {
      const event = events[index];
      if (event) this.#add(event);
    }
  }

  /** The timeline up to `now`, or to the end of the task. */
  at(now: number): TimelineData {
    const from = this.#from ?? now;
    const to = this.#phase === 'ended' ? this.#until : Math.max(now, this.#until, from);
    const spans = [...this.#spans];
    const totals = { ...this.#totals };
    if (this.#from !== undefined) {
      for (const span of this.#following(to)) {
        append(spans, span);
        totals[span.activity] += span.to - span.from;
      }
    }
    for (const tool of this.#running.values()) tool.to = to;
    return { from, to, spans, tools: this.#tools, totals };
  }

  #add(event: TaskEvent): void {
    this.#seen = event.seq;
    const at = Math.max(Date.parse(event.at), this.#until);
    if (this.#from === undefined) this.#from = at;
    else if (isRestart(event) && !this.#paused && this.#phase !== 'queued') {
      this.#push({ activity: 'away', from: this.#until, to: at, details: [] });
    } else if (event.kind === 'tool' && event.phase === 'finished' && !this.#running.has(event.call_id)) {
      this.#advance(Math.max(this.#until, at - (event.duration_ms ?? 0)));
      this.#begin(event.call_id, event.tool, event.title, this.#until);
    }
    this.#advance(at);
    this.#apply(event, at);
  }

  /** The time until `at` passes with what is known so far. */
  #advance(at: number): void {
    if (this.#until === 0) this.#until = at;
    for (const span of this.#following(at)) this.#push(span);
    if (this.#retryAt && this.#retryAt.time <= at) this.#retryAt = undefined;
  }

  #push(span: Span): void {
    if (span.to <= span.from) return;
    append(this.#spans, span);
    this.#totals[span.activity] += span.to - span.from;
    this.#until = span.to;
  }

  /** What happens from the last event until `to`, if no other event comes: the wait for a provider can end. */
  #following(to: number): Span[] {
    const from = this.#until;
    const activity = this.#activity();
    const details = this.#details(activity);
    const retryAt = activity === 'retrying' ? (this.#retryAt?.time ?? to) : to;
    const middle = Math.min(to, Math.max(from, retryAt));
    const after: Activity = this.#phase === 'starting' ? 'starting' : 'model';
    const spans: Span[] = [
      { activity, from, to: middle, details },
      { activity: after, from: middle, to, details: [] },
    ];
    return spans.filter((span) => span.to > span.from);
  }

  #activity(): Activity {
    if (this.#paused) return 'paused';
    if (this.#phase === 'queued') return 'queued';
    if (this.#requests.size > 0) return 'waiting';
    if (this.#running.size > 0) return 'tools';
    if (this.#retryAt) return 'retrying';
    return this.#phase === 'starting' ? 'starting' : 'model';
  }

  #details(activity: Activity): string[] {
    if (activity === 'waiting') return [...this.#requests.values()].slice(0, MAX_DETAILS);
    if (activity === 'retrying') return this.#retryAt ? [this.#retryAt.message] : [];
    if (activity !== 'tools') return [];
    return [...this.#running.values()].slice(0, MAX_DETAILS).map(({ tool, title }) => `${tool}: ${title}`);
  }

  #begin(call: string, tool: string, title: string, from: number): void {
    const span: ToolSpan = { tool, title, from, to: from };
    this.#running.set(call, span);
    this.#tools.push(span);
  }

  #apply(event: TaskEvent, at: number): void {
    switch (event.kind) {
      case 'created':
        this.#phase = 'queued';
        break;
      case 'started':
        this.#phase = 'starting';
        break;
      case 'attached':
        this.#phase = 'model';
        break;
      case 'message_sent':
        // A prompt begins a turn; what ran in the one before it is over, also where nobody saw its end.
        this.#finishTools(at);
        break;
      case 'output':
      case 'usage':
        this.#retryAt = undefined;
        break;
      case 'tool':
        this.#retryAt = undefined;
        if (event.phase === 'started') this.#begin(event.call_id, event.tool, event.title, at);
        else this.#finishTool(event.call_id, at, event.ok !== false);
        break;
      case 'request_opened':
        this.#requests.set(event.request.id, event.request.title);
        break;
      case 'request_closed':
        this.#requests.delete(event.request_id);
        break;
      case 'retrying':
        this.#retryAt = { time: Date.parse(event.next_at ?? event.at), message: event.message };
        break;
      case 'paused':
        this.#paused = true;
        // A pause interrupts what runs.
        this.#finishTools(at);
        this.#retryAt = undefined;
        break;
      case 'resumed':
        this.#paused = false;
        break;
      case 'completed':
      case 'failed':
      case 'timeout':
      case 'cancelled':
        this.#finishTools(at);
        this.#phase = 'ended';
        break;
    }
  }

  #finishTools(at: number): void {
    for (const call of [...this.#running.keys()]) this.#finishTool(call, at, false);
  }

  #finishTool(call: string, at: number, ok: boolean): void {
    const span = this.#running.get(call);
    if (!span) return;
    this.#running.delete(call);
    span.to = at;
    span.ok = ok;
  }
}

/** A span that continues the last one becomes part of it. */
function append(spans: Span[], span: Span): void {
  const last = spans.at(-1);
  if (last?.activity !== span.activity) {
    spans.push(span);
    return;
  }
  const added = span.details.filter((detail) => !last.details.includes(detail));
  const details = added.length > 0 ? [...last.details, ...added].slice(0, MAX_DETAILS) : last.details;
  spans[spans.length - 1] = { ...last, to: span.to, details };
}

/** The bridge was away since some time after the last event before it. */
function isRestart(event: TaskEvent): boolean {
  return event.kind === 'warning' && event.code === 'BRIDGE_RESTARTED';
}
