import type { Unstored } from '../../store/event-log.ts';
import type { LiveFrame } from '../../tasks/live-frame.ts';
import { tail } from '../../text.ts';
import { MAX_TEXT } from './part-text.ts';

/** Characters that wait for one follower. */
const MAX_WAITING = 65_536;
/** More parts than any task works on at once. */
const MAX_PARTS = 256;

/** A frame with what a follower needs to know about those before. */
export interface FrameOfFeed extends LiveFrame {
  /** Whether earlier text of the part was passed on, or was not seen. */
  continues: boolean;
}

/**
 * The frames that one follower has not taken yet, joined by part: a slow follower gets fewer and longer ones. Beyond
 * the limits the oldest text is dropped; the next frame of its part has a `gap`.
 */
export class LiveFollower implements Unstored<LiveFrame> {
  readonly wakes = new Set<() => void>();
  readonly #waiting = new Map<string, { after: number; frame: LiveFrame }>();
  /** Parts of which nothing is missing so far. */
  readonly #complete = new Set<string>();
  #size = 0;

  /** `after`: the last event that was stored before. */
  offer(frames: readonly FrameOfFeed[], after: number): void {
    for (const { continues, ...frame } of frames) {
      const missed = continues && !this.#complete.has(frame.part) && !frame.reset;
      this.#add(missed ? { ...frame, gap: true } : frame, after);
    }
    for (const wake of this.wakes) wake();
  }

  take(seq: number): LiveFrame | undefined {
    for (const [part, { after, frame }] of this.#waiting) {
      if (after > seq) continue;
      this.#remove(part);
      return frame;
    }
    return undefined;
  }

  /** No more of the part comes. */
  end(part: string): void {
    this.#complete.delete(part);
  }

  #add(frame: LiveFrame, after: number): void {
    const { part } = frame;
    const waiting = this.#waiting.get(part);
    this.#remove(part);
    const joined = waiting ? join(waiting.frame, frame) : frame;
    this.#waiting.set(part, { after: waiting?.after ?? after, frame: joined });
    this.#size += joined.text.length;
    if (this.#complete.size >= MAX_PARTS) this.#complete.clear();
    this.#complete.add(part);
    while (this.#size > MAX_WAITING || this.#waiting.size > MAX_PARTS) this.#dropOldest();
  }

  #dropOldest(): void {
    const [oldest] = this.#waiting.keys();
    if (oldest === undefined) return;
    this.#remove(oldest);
    this.#complete.delete(oldest);
  }

  #remove(part: string): void {
    this.#size -= this.#waiting.get(part)?.frame.text.length ?? 0;
    this.#waiting.delete(part);
  }
}

/** One frame for two. A gap between them could not be shown, so only the text after it is kept. */
function join(earlier: LiveFrame, later: LiveFrame): LiveFrame {
  if (later.reset) return later;
  const { gap, ...rest } = later;
  const text = gap ? later.text : earlier.text + later.text;
  const joined = { ...rest, text: tail(text, MAX_TEXT) };
  if (earlier.reset) return { ...joined, reset: true };
  return earlier.gap || gap || text.length > MAX_TEXT ? { ...joined, gap: true } : joined;
}
