import type { TaskEvent } from '../tasks/events.ts';

/** The description is part of the task's first event. */
export const DESCRIPTION_SEQ = 1;

/** What was said to an agent with one prompt; `id` as it is recorded. */
export interface SentPrompt {
  id: string;
  text: string;
}

/** The prompts that a task's log, oldest event first, has on record, in the order in which they were said. */
export function sentPrompts(log: Iterable<TaskEvent>): SentPrompt[] {
  const texts = new Map<number, string>();
  const said = new Map<string, string[]>();
  const say = (id: string, seqs: readonly number[]): void => {
    const now = seqs.flatMap((seq) => texts.get(seq) ?? []);
    said.set(id, [...(said.get(id) ?? []), ...now]);
  };
  for (const event of log) {
    if (event.kind === 'created') texts.set(DESCRIPTION_SEQ, event.description);
    if (event.kind === 'message') texts.set(event.seq, event.text);
    if (event.kind === 'attached') say(event.prompt_id, [DESCRIPTION_SEQ]);
    if (event.kind === 'message_sent') say(event.prompt_id, event.message_seqs);
  }
  return [...said].map(([id, parts]) => ({ id, text: parts.join('\n\n') }));
}
