import type { Clock } from '../../clock.ts';
import type { LivePart, LiveSink } from '../../runners/live-sink.ts';
import type { LiveFollower } from './live-follower.ts';
import { AppendedText, type NewText, WholeText } from './part-text.ts';

/** The least time between two frames of a part. */
const INTERVAL_MS = 50;
/** Parts whose text is remembered; more than any task works on at once. */
const MAX_PARTS = 64;

interface OpenPart {
  part: LivePart;
  text: AppendedText | WholeText;
  /** Whether earlier text was passed on, or was not seen. */
  continues: boolean;
}

export interface LiveFeedOptions {
  clock: Clock;
  /** The `seq` of the task's last event; undefined once the task has ended. */
  lastSeq: () => number | undefined;
}

/**
 * The live text of one task, for those who follow it.
 *
 *     quiet      text    → pending   passed on at the end of the current work (a microtask)
 *     pending    passed on           → pausing, for 50 ms
 *     pausing    text                → remembered
 *     pausing    50 ms later         → pausing, if there was text; else quiet
 *     any        close()   → closed    nothing is remembered or scheduled any more
 *
 * A part that ends is passed on at once, before the event that finishes it is stored. Frames carry the `seq` of the
 * last event that was stored before, and followers get them behind it: so no frame of a part comes after the event that
 * finishes the part.
 */
export class LiveFeed implements Omit<LiveSink, 'wanted'> {
  readonly followers = new Set<LiveFollower>();
  readonly #options: LiveFeedOptions;
  readonly #parts = new Map<string, OpenPart>();
  readonly #changed = new Set<OpenPart>();
  #state: 'quiet' | 'pending' | 'pausing' | 'closed' = 'quiet';
  #cancel: (() => void) | undefined;

  constructor(options: LiveFeedOptions) {
    this.#options = options;
  }

  begin(part: LivePart): void {
    this.#open(part, new AppendedText(false), false);
  }

  append(part: LivePart, added: string): void {
    const known = this.#parts.get(part.id);
    const open = known?.text instanceof AppendedText ? known : this.#open(part, new AppendedText(true), true);
    if (open.text instanceof AppendedText) open.text.append(added);
    this.#onText(open);
  }

  show(part: LivePart, whole: string, isEnd: boolean): void {
    const known = this.#parts.get(part.id);
    const begins = whole === '';
    const open = known?.text instanceof WholeText ? known : this.#open(part, new WholeText(begins), !begins);
    if (open.text instanceof WholeText) open.text.show(whole, isEnd);
    this.#onText(open);
  }

  gap(): void {
    this.#pass([...this.#changed]);
    for (const { text } of this.#parts.values()) if (text instanceof AppendedText) text.skip();
  }

  end(part: Pick<LivePart, 'id'>): void {
    this.#end(part.id, true);
  }

  /** An event is about to be stored that has the part whole. Text of which nothing was shown is left to the event. */
  finish(id: string): void {
    const open = this.#parts.get(id);
    this.#end(id, open !== undefined && (open.continues || open.part.kind === 'tool_output'));
  }

  close(): void {
    this.#state = 'closed';
    this.#cancel?.();
    this.#parts.clear();
    this.#changed.clear();
  }

  #open(part: LivePart, text: OpenPart['text'], continues: boolean): OpenPart {
    const open = { part, text, continues };
    if (this.#state === 'closed') return open;
    this.#parts.set(part.id, open);
    if (this.#parts.size > MAX_PARTS) {
      const [oldest] = this.#parts.keys();
      if (oldest !== undefined) this.#forget(oldest);
    }
    return open;
  }

  #forget(id: string): void {
    const open = this.#parts.get(id);
    if (open) this.#changed.delete(open);
    this.#parts.delete(id);
  }

  #end(id: string, shown: boolean): void {
    const open = this.#parts.get(id);
    if (open && shown) this.#pass([open]);
    this.#forget(id);
    for (const follower of this.followers) follower.end(id);
  }

  #onText(open: OpenPart): void {
    if (this.#state === 'closed') return;
    this.#changed.add(open);
    if (this.#state !== 'quiet') return;
    this.#state = 'pending';
    queueMicrotask(() => this.#passAll());
  }

  #passAll(): void {
    if (this.#state === 'closed') return;
    if (this.#changed.size === 0) {
      this.#state = 'quiet';
      return;
    }
    this.#state = 'pausing';
    this.#pass([...this.#changed]);
    this.#cancel = this.#options.clock.after(INTERVAL_MS, () => this.#passAll());
  }

  #pass(changed: readonly OpenPart[]): void {
    const after = this.#options.lastSeq();
    const at = this.#options.clock.now();
    const frames = changed.flatMap((open) => {
      this.#changed.delete(open);
      const taken = open.text.take();
      if (!taken) return [];
      const { continues } = open;
      open.continues = true;
      return [{ ...frameOf(open.part, taken, at), continues }];
    });
    if (after === undefined || frames.length === 0) return;
    for (const follower of this.followers) follower.offer(frames, after);
  }
}

function frameOf({ kind, id, child }: LivePart, { text, gap, reset }: NewText, at: number) {
  return {
    live: true as const,
    kind,
    part: id,
    text,
    at,
    ...(child && { child: true as const }),
    ...(gap && { gap: true as const }),
    ...(reset && { reset: true as const }),
  };
}
