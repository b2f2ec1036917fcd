import type { Run, TurnOutcome } from '../runners/runner.ts';
import type { TaskEvent, TaskEventBody } from '../tasks/events.ts';
import { PromptQueue } from './prompt-queue.ts';
import { RECOVERY, type RecoveredState } from './replay.ts';

const CONTINUE = 'You were interrupted. Continue the task from where you stopped.';
const RESTARTED =
  'The program you run in was restarted in the middle of your work. What you had finished is kept; the step ' +
  'you were at may be half done and its output lost. Check the current state, then continue the task.';
/** Failures of a turn that the task did not cause. */
const LOST: ReadonlySet<string> = new Set(['ENGINE_LOST', 'TURN_NEVER_STARTED', 'TURN_STALLED']);

/** What happens to a task that loses a turn because OpenCode was lost. */
export interface RecoveryRules {
  policy: 'continue' | 'fail';
  /** How often a task is continued after such a loss. */
  max: number;
}

export interface ConversationOptions {
  taskId: string;
  /** The state in the log when the run began. */
  recovered: RecoveredState;
  recovery: RecoveryRules;
  append: (...events: TaskEventBody[]) => TaskEvent[];
  /** Resolves at once unless the task is paused. */
  resumed: () => Promise<void>;
  /** Whether the task's end is decided. */
  isOver: () => boolean;
  /** The last turn is over: from now on no message is accepted. */
  onLast: () => void;
}

type RecordedPrompt = NonNullable<RecoveredState['prompt']>;
type Message = Extract<TaskEventBody, { kind: 'message' }>;

/**
 * The turns of one task: each sends all pending messages as one prompt. A turn that was interrupted, or lost with
 * OpenCode, is followed by another; the last is the one after which nothing is pending.
 */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #queue: PromptQueue;
  #recoveries: number;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#queue = new PromptQueue(options.taskId, options.recovered.pending);
    this.#recoveries = options.recovered.recoveries;
  }

  /** How many messages have not been sent to the agent. */
  get pending(): number {
    return this.#queue.messages;
  }

  /** Stores the message; the next prompt contains it. */
  enqueue(message: Message): void {
    const [event] = this.#options.append(message);
    if (event) this.#queue.add({ seq: event.seq, text: message.text });
  }

  /** Runs turns until the agent is done and nothing is pending. */
  async run(run: Run): Promise<TurnOutcome> {
    const { recovered, append, resumed, isOver } = this.#options;
    let earlier = recovered.prompt;
    for (;;) {
      await resumed();
      if (isOver()) {
        run.close();
        return { kind: 'interrupted', summary: '' };
      }
      const outcome = await (earlier
        ? this.#resumePrompt(run, earlier)
        : run.turn(this.#queue.prompt(run.sessionId, append)));
      earlier = undefined;
      await resumed();
      if (this.#isLast(outcome)) return outcome;
    }
  }

  /** Continues the turn of a prompt that an earlier process recorded. */
  async #resumePrompt(run: Run, { id, text, at }: RecordedPrompt): Promise<TurnOutcome> {
    const prompt = { text, key: id, recordedAs: id, recordedAt: at, record: () => undefined };
    const outcome = await run.turn(prompt);
    const aborted = outcome.kind === 'failed' && outcome.error.code === 'ABORTED_EXTERNALLY';
    const byUs = aborted && this.#options.recovered.interrupted;
    return byUs ? { kind: 'interrupted', summary: outcome.summary } : outcome;
  }

  /** Once true, it stays true: `onLast` closes the conversation in the same step. */
  #isLast(outcome: TurnOutcome): boolean {
    const { isOver, onLast } = this.#options;
    if (!isOver() && this.#continuesAfter(outcome)) return false;
    const last = isOver() || outcome.kind === 'failed' || this.#queue.isEmpty;
    if (last) onLast();
    return last;
  }

  /** Whether another turn follows one that was not completed. */
  #continuesAfter(outcome: TurnOutcome): boolean {
    if (outcome.kind === 'interrupted') {
      if (this.#queue.isEmpty) this.#enqueueSystemMessage(CONTINUE);
      return true;
    }
    const { policy, max } = this.#options.recovery;
    if (outcome.kind !== 'failed' || !LOST.has(outcome.error.code)) return false;
    if (policy === 'fail' || this.#recoveries >= max) return false;
    this.#recoveries += 1;
    const { code, message } = outcome.error;
    this.#options.append({ kind: 'warning', code, message: `${message} The bridge continues the task.` });
    this.#enqueueSystemMessage(code === 'ENGINE_LOST' ? RESTARTED : CONTINUE, RECOVERY);
    return true;
  }

  #enqueueSystemMessage(text: string, type?: string): void {
    this.enqueue({ kind: 'message', from: 'system', delivery: 'queue', text, type });
  }
}
