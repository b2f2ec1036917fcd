import type { TaskEvent } from '../api/task.ts';
import type { DeltaFrame } from './frames.ts';

/** Characters of a part that are kept: its end. */
const MAX_TEXT = 200_000;
const MAX_PARTS = 200;

/** Text of one part so far. */
export interface LivePart {
  kind: 'text' | 'tool_output';
  /** The `part_id` of the `output` event, or the `call_id` of the `tool` event, that finishes it. */
  part: string;
  text: string;
  /** Text is missing in it. */
  gap: boolean;
  /** From a subagent: no event finishes it. */
  child: boolean;
}

/** What the model is writing and what commands are printing, until an event has the text. Bounded. */
export class LiveText {
  /** In the order in which they began. */
  readonly parts = new Map<string, LivePart>();

  add({ kind, part, text, gap, reset, child }: DeltaFrame): void {
    const before = reset ? undefined : this.parts.get(part);
    const joined = (before?.text ?? '') + text;
    this.parts.set(part, {
      kind,
      part,
      text: joined.length > MAX_TEXT ? joined.slice(-MAX_TEXT) : joined,
      gap: gap === true || joined.length > MAX_TEXT || before?.gap === true,
      child: child === true,
    });
    const [oldest] = this.parts.keys();
    if (this.parts.size > MAX_PARTS && oldest !== undefined) this.parts.delete(oldest);
  }

  /** An event finishes its part; a failed call of the model, and the end, finish all text. */
  finish(event: TaskEvent): void {
    switch (event.kind) {
      case 'output':
        this.parts.delete(event.part_id);
        break;
      case 'tool':
        if (event.phase === 'finished') this.parts.delete(event.call_id);
        break;
      case 'retrying':
        for (const { part, kind } of this.parts.values()) if (kind === 'text') this.parts.delete(part);
        break;
      case 'completed':
      case 'failed':
      case 'timeout':
      case 'cancelled':
        this.parts.clear();
        break;
    }
  }
}
