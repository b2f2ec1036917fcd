import type { TaskEvent } from '../tasks/events.ts';
import { viewEvent } from './event-view.ts';

const texts = new WeakMap<TaskEvent, string>();

/** An event as callers see it, as JSON. The followers of a task share the events and so this text. */
export function eventJson(event: TaskEvent): string {
  const known = texts.get(event);
  if (known !== undefined) return known;
  const text = JSON.stringify(viewEvent(event));
  texts.set(event, text);
  return text;
}
