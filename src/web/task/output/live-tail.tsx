import type { LivePart, LiveText as LiveTexts } from '../live-text.ts';
import { LiveText } from './live-part.tsx';

/** Parts that are shown at once; more are written only by many subagents. */
const MAX_PARTS = 8;

/**
 * What is being written now. No event ends the text of a subagent, so that it is shown until no subagent is at work.
 */
export class LiveTail {
  readonly #over = new Set<string>();

  /** The parts to show, in the order in which they began. */
  partsOf({ parts }: LiveTexts, hasSubagents: boolean): LivePart[] {
    for (const id of this.#over) if (!parts.has(id)) this.#over.delete(id);
    const texts = [...parts.values()].filter(({ kind }) => kind === 'text');
    if (!hasSubagents) for (const { part, child } of texts) if (child) this.#over.add(part);
    return texts.filter(({ part }) => !this.#over.has(part)).slice(-MAX_PARTS);
  }
}

export function LiveTailView({ parts }: { parts: readonly LivePart[] }) {
  return (
    <>
      {parts.map((part) => (
        <LiveText key={part.part} part={part} />
      ))}
    </>
  );
}
