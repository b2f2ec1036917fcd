import { DESCRIPTION_SEQ } from '../runners/sent-prompts.ts';
import type { TaskEvent } from '../tasks/events.ts';
import type { PendingMessage } from './prompt-queue.ts';
import type { TerminationReason } from './termination.ts';

/** The `type` of the messages by which the bridge continues a task after the loss of OpenCode. */
export const RECOVERY = 'recovery';

/** The state of a task's conversation according to its log. */
export interface RecoveredState {
  /** The prompt recorded last, which may or may not have been sent; absent before the first. */
  prompt?: { id: string; text: string; at: number };
  /** Messages that no recorded prompt contains yet. */
  pending: PendingMessage[];
  /** Whether the bridge interrupted the turn of that prompt, for a pause or an urgent message. */
  interrupted: boolean;
  /** Set if the end was decided but is not stored. */
  termination?: TerminationReason;
  /** How often the task was continued after the loss of OpenCode. */
  recoveries: number;
}

/** Reads a task's whole log, oldest first. */
export function replay(log: Iterable<TaskEvent>): RecoveredState {
  const state: RecoveredState = { pending: [], interrupted: false, recoveries: 0 };
  const send = (id: string, at: number, seqs: readonly number[]): void => {
    const sent = state.pending.filter(({ seq }) => seqs.includes(seq));
    state.pending = state.pending.filter(({ seq }) => !seqs.includes(seq));
    const earlier = state.prompt?.id === id ? [state.prompt.text] : [];
    state.prompt = { id, at, text: [...earlier, ...sent.map(({ text }) => text)].join('\n\n') };
    state.interrupted = false;
  };
  for (const event of log) {
    switch (event.kind) {
      case 'created':
        state.pending.push({ seq: event.seq, text: event.description });
        break;
      case 'message':
        state.pending.push({ seq: event.seq, text: event.text });
        if (event.delivery === 'interrupt') state.interrupted = true;
        if (event.type === RECOVERY) state.recoveries += 1;
        break;
      case 'attached':
        send(event.prompt_id, event.at, [DESCRIPTION_SEQ]);
        break;
      case 'message_sent':
        send(event.prompt_id, event.at, event.message_seqs);
        break;
      case 'control':
        if (event.control === 'pause') state.interrupted = true;
        if (event.control === 'cancel')
          state.termination = { kind: 'cancelled', by: event.by, reason: event.reason };
        break;
    }
  }
  return state;
}
