import { eventJson } from '../../api/event-json.ts';
import { type FollowItem, isLive } from '../../tasks/live-frame.ts';

/** Turns what happens in a task into the frames of one view, as JSON. */
export type View = (item: FollowItem) => string[];

/** Stored events as `{type: "event", event}`, live text as `{type: "delta"}`. */
export const eventsView: View = (item) => {
  if (!isLive(item)) return [`{"type":"event","event":${eventJson(item)}}`];
  const { live: _live, at, ...frame } = item;
  return [JSON.stringify({ type: 'delta', stored: false, at: new Date(at).toISOString(), ...frame })];
};
