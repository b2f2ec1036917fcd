import { z } from 'zod';
import { TASK_EVENT_KINDS, type TaskEvent, type TaskEventKind } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { viewEvent } from './event-view.ts';
import { commaSeparated } from './inputs.ts';
import { rowsThatFit } from './pages.ts';
import type { ApiServices } from './services.ts';

const SEVERITIES = ['info', 'warning', 'error'] as const;
type Severity = (typeof SEVERITIES)[number];

const MAX_LIMIT = 1_000;
const READ_AT_ONCE = 1_000;
/** Events that one call reads to find those that match. */
const MAX_READ = 10_000;
/** JSON characters of the events in one answer. */
const MAX_EVENTS = 1_000_000;

/** Which events of a task; `kinds` are separated by commas, `severity` is the least. */
const eventFilterFields = {
  after_seq: z.int().min(0).default(0),
  kinds: commaSeparated(TASK_EVENT_KINDS).optional(),
  severity: z.enum(SEVERITIES).default('info'),
};
export const eventPageFields = { ...eventFilterFields, limit: z.int().min(1).max(MAX_LIMIT).default(100) };
export type EventFilter = z.output<z.ZodObject<typeof eventFilterFields>>;

export const eventSchema = z.looseObject({ seq: z.number(), at: z.string(), kind: z.enum(TASK_EVENT_KINDS) });

export const eventPageSchema = z.object({
  task_id: z.string(),
  events: z.array(eventSchema),
  last_seq: z.number(),
  next_after_seq: z.number().optional(),
});

/** A page of the events that match, of at most `maxChars` characters as JSON; `next_after_seq` is there while the log may have more. */
export async function eventPage(
  task: Task,
  filter: EventFilter & { limit: number },
  { execution }: ApiServices,
  maxChars = MAX_EVENTS,
): Promise<z.output<typeof eventPageSchema>> {
  const found: TaskEvent[] = [];
  let reached = filter.after_seq;
  let page: TaskEvent[];
  do {
    page = await execution.events(task, reached, READ_AT_ONCE);
    for (const event of page) {
      if (found.length === filter.limit) break;
      if (matches(event, filter)) found.push(event);
      reached = event.seq;
    }
  } while (
    found.length < filter.limit &&
    page.length === READ_AT_ONCE &&
    reached - filter.after_seq < MAX_READ
  );
  const events = rowsThatFit(found.map(viewEvent), maxChars);
  if (events.length < found.length) reached = events.at(-1)?.seq ?? reached;
  const more = reached < task.lastSeq ? reached : undefined;
  return { task_id: task.id, events, last_seq: task.lastSeq, next_after_seq: more };
}

export function matches(event: TaskEvent, { kinds, severity }: Omit<EventFilter, 'after_seq'>): boolean {
  if (kinds && !kinds.includes(event.kind)) return false;
  return SEVERITIES.indexOf(severityOf(event)) >= SEVERITIES.indexOf(severity);
}

const SEVERITY_BY_KIND: Partial<Record<TaskEventKind, Severity>> = {
  failed: 'error',
  timeout: 'error',
  warning: 'warning',
  retrying: 'warning',
};

function severityOf({ kind }: TaskEvent): Severity {
  return SEVERITY_BY_KIND[kind] ?? 'info';
}
