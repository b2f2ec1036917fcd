import { viewEvent } from '../../api/event-view.ts';
import { type FollowItem, isLive } from '../../tasks/live-frame.ts';

/** What the bridge sends in one WebSocket message. */
export type Frame = { type: string } & Record<string, unknown>;

/** Turns what happens in a task into frames of one view. */
export type View = (item: FollowItem) => Frame[];

/** Stored events as `{type: "event", event}`, live text as `{type: "delta"}`. */
export const eventsView: View = (item) => {
  if (!isLive(item)) return [{ type: 'event', event: viewEvent(item) }];
  const { live: _live, at, ...frame } = item;
  return [{ type: 'delta', stored: false, at: new Date(at).toISOString(), ...frame }];
};
