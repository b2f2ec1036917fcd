import type { Run, TurnOutcome } from '../runners/runner.ts';
import type { TaskEvent, TaskEventBody } from '../tasks/events.ts';
import { PromptQueue } from './prompt-queue.ts';
import { RECOVERY, type RecoveredState } from './replay.ts';

const CONTINUE = 'You were interrupted. Go on with the task from where you stopped.';
const RESTARTED =
  'The program you run in was restarted in the middle of your work. What you had finished is kept, the step ' +
  'you were at may be half done and its output lost. Look at how things stand, then go on with the task.';
/** Ways in which a turn fails that are no fault of the task's. */
const LOST: ReadonlySet<string> = new Set(['ENGINE_LOST', 'TURN_NEVER_STARTED', 'TURN_STALLED']);

/** What becomes of a task whose turn was lost with OpenCode. */
export interface RecoveryRules {
  policy: 'continue' | 'fail';
  /** How often a task goes on after such a loss. */
  max: number;
}

export interface ConversationOptions {
  taskId: string;
  /** What the log said when the run began. */
  memory: RecoveredState;
  recovery: RecoveryRules;
  append: (...events: TaskEventBody[]) => TaskEvent[];
  /** Resolves at once unless the task is paused. */
  resumed: () => Promise<void>;
  /** Whether the task's end is decided. */
  isOver: () => boolean;
  /** The last turn is over: from now on nothing is taken. */
  onLast: () => void;
}

type RecordedPrompt = NonNullable<RecoveredState['prompt']>;
type Message = Extract<TaskEventBody, { kind: 'message' }>;

/** What is said between a task and its agent, turn after turn. */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #promptQueue: PromptQueue;
  #recoveries: number;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#promptQueue = new PromptQueue(options.taskId, options.memory.pending);
    this.#recoveries = options.memory.recoveries;
  }

  /** How many messages the agent has not got yet. */
  get pending(): number {
    return this.#promptQueue.messages;
  }

  /** Says it with the next prompt. */
  enqueue(message: Message): void {
    const [event] = this.#options.append(message);
    if (event) this.#promptQueue.add({ seq: event.seq, text: message.text });
  }

  /** Goes on until the agent is done and nobody has anything to add. */
  async run(run: Run): Promise<TurnOutcome> {
    const { memory, append, resumed, isOver } = this.#options;
    let earlier = memory.prompt;
    for (;;) {
      await resumed();
      if (isOver()) {
        run.close();
        return { kind: 'interrupted', summary: '' };
      }
      const outcome = await (earlier
        ? this.#takeUp(run, earlier)
        : run.turn(this.#promptQueue.prompt(run.sessionId, append)));
      earlier = undefined;
      await resumed();
      if (this.#isLast(outcome)) return outcome;
    }
  }

  /** The turn of a prompt that an earlier process recorded. */
  async #takeUp(run: Run, { id, text, at }: RecordedPrompt): Promise<TurnOutcome> {
    const prompt = { text, key: id, recordedAs: id, recordedAt: at, record: () => undefined };
    const outcome = await run.turn(prompt);
    const aborted = outcome.kind === 'failed' && outcome.error.code === 'ABORTED_EXTERNALLY';
    const byUs = aborted && this.#options.memory.interrupted;
    return byUs ? { kind: 'interrupted', summary: outcome.summary } : outcome;
  }

  /** Decides it for good. */
  #isLast(outcome: TurnOutcome): boolean {
    const { isOver, onLast } = this.#options;
    if (!isOver() && this.#goesOn(outcome)) return false;
    const last = isOver() || outcome.kind === 'failed' || this.#promptQueue.isEmpty;
    if (last) onLast();
    return last;
  }

  /** Whether there is something to say to the agent after a turn that did not come to its end. */
  #goesOn(outcome: TurnOutcome): boolean {
    if (outcome.kind === 'interrupted') {
      if (this.#promptQueue.isEmpty) this.#sayOurselves(CONTINUE);
      return true;
    }
    const { policy, max } = this.#options.recovery;
    if (outcome.kind !== 'failed' || !LOST.has(outcome.error.code)) return false;
    if (policy === 'fail' || this.#recoveries >= max) return false;
    this.#recoveries += 1;
    const { code, message } = outcome.error;
    this.#options.append({ kind: 'warning', code, message: `${message} The agent is sent on.` });
    this.#sayOurselves(code === 'ENGINE_LOST' ? RESTARTED : CONTINUE, RECOVERY);
    return true;
  }

  #sayOurselves(text: string, type?: string): void {
    this.enqueue({ kind: 'message', from: 'system', delivery: 'queue', text, type });
  }
}
