import { DESCRIPTION_SEQ } from '../runners/sent-prompts.ts';
import type { TaskEvent } from '../tasks/events.ts';
import type { PendingMessage } from './prompt-queue.ts';
import type { TerminationReason } from './termination.ts';

/** The `type` of the messages that send an agent on after OpenCode was lost. */
export const RECOVERY = 'recovery';

/** What a task's log tells whoever takes the task up. */
export interface RecoveredState {
  /** The prompt last recorded, which may or may not have left; absent before the first. */
  prompt?: { id: string; text: string; at: number };
  /** What no recorded prompt says yet. */
  pending: PendingMessage[];
  /** Whether the turn of that prompt was cut off by us, for a pause or an urgent message. */
  interrupted: boolean;
  /** There where the end was decided but is not on record. */
  ending?: TerminationReason;
  toolsRan: boolean;
  /** How often the agent was sent on after OpenCode was lost. */
  recoveries: number;
}

/** Reads a task's whole log, oldest first. */
export function replay(log: Iterable<TaskEvent>): RecoveredState {
  const memory: RecoveredState = { pending: [], interrupted: false, toolsRan: false, recoveries: 0 };
  const say = (id: string, at: number, seqs: readonly number[]): void => {
    const said = memory.pending.filter(({ seq }) => seqs.includes(seq));
    memory.pending = memory.pending.filter(({ seq }) => !seqs.includes(seq));
    const before = memory.prompt?.id === id ? [memory.prompt.text] : [];
    memory.prompt = { id, at, text: [...before, ...said.map(({ text }) => text)].join('\n\n') };
    memory.interrupted = false;
  };
  for (const event of log) {
    switch (event.kind) {
      case 'created':
        memory.pending.push({ seq: event.seq, text: event.description });
        break;
      case 'message':
        memory.pending.push({ seq: event.seq, text: event.text });
        if (event.delivery === 'interrupt') memory.interrupted = true;
        if (event.type === RECOVERY) memory.recoveries += 1;
        break;
      case 'attached':
        say(event.prompt_id, event.at, [DESCRIPTION_SEQ]);
        break;
      case 'message_sent':
        say(event.prompt_id, event.at, event.message_seqs);
        break;
      case 'control':
        if (event.control === 'pause') memory.interrupted = true;
        if (event.control === 'cancel')
          memory.ending = { kind: 'cancelled', by: event.by, reason: event.reason };
        break;
      case 'tool':
        memory.toolsRan = true;
        break;
    }
  }
  return memory;
}
