import type { TaskEvent } from '../tasks/events.ts';

/** The description is part of the task's first event. */
export const DESCRIPTION_SEQ = 1;

/** The text of one prompt; `id` as it is recorded. */
export interface SentPrompt {
  id: string;
  text: string;
}

/** The prompts recorded in a task's log (oldest event first), in the order in which they were sent. */
export function sentPrompts(log: Iterable<TaskEvent>): SentPrompt[] {
  const texts = new Map<number, string>();
  const sent = new Map<string, string[]>();
  const send = (id: string, seqs: readonly number[]): void => {
    const now = seqs.flatMap((seq) => texts.get(seq) ?? []);
    sent.set(id, [...(sent.get(id) ?? []), ...now]);
  };
  for (const event of log) {
    if (event.kind === 'created') texts.set(DESCRIPTION_SEQ, event.description);
    if (event.kind === 'message') texts.set(event.seq, event.text);
    if (event.kind === 'attached') send(event.prompt_id, [DESCRIPTION_SEQ]);
    if (event.kind === 'message_sent') send(event.prompt_id, event.message_seqs);
  }
  return [...sent].map(([id, parts]) => ({ id, text: parts.join('\n\n') }));
}
