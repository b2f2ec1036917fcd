import { z } from 'zod';
import { type Delta, deltaSchema, eventSchema, type OpenCodeEvent } from './wire.ts';

const KNOWN: ReadonlySet<unknown> = new Set(eventSchema.options.map((option) => option.shape.type.value));
const DELTA = 'message.part.delta';
const frameSchema = z.object({ payload: z.looseObject({ type: z.string() }) });
const ofSession = z.object({ properties: z.object({ sessionID: z.string() }) });

/**
 * A frame of `/global/event`: an event, new text of a part, the confirmation of the stream, an event of no use here, or
 * unreadable.
 */
export type Frame =
  | { kind: 'event'; event: OpenCodeEvent }
  | { kind: 'delta'; delta: Delta }
  | { kind: 'connected' }
  | { kind: 'ignored'; session: string | undefined }
  | { kind: 'unreadable'; type: string };

/** Reads one `data:` line of `/global/event`; never throws. */
export function readFrame(data: string): Frame {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return { kind: 'unreadable', type: 'not JSON' };
  }
  const frame = frameSchema.safeParse(json);
  if (!frame.success) return { kind: 'unreadable', type: 'no payload' };
  const { payload } = frame.data;
  if (payload.type === 'server.connected') return { kind: 'connected' };
  if (payload.type === DELTA) {
    const delta = deltaSchema.safeParse(payload.properties);
    if (delta.success) return { kind: 'delta', delta: delta.data };
  }
  if (!KNOWN.has(payload.type)) {
    return { kind: 'ignored', session: ofSession.safeParse(payload).data?.properties.sessionID };
  }
  const event = eventSchema.safeParse(payload);
  return event.success ? { kind: 'event', event: event.data } : { kind: 'unreadable', type: payload.type };
}
