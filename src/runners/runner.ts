import type { DependencyHealth } from '../health.ts';
import type { ProcessLeft, TaskError, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';

/** How a turn of the agent came out; `exitCode` where it was a program of its own. `interrupted`: by us, the conversation can go on. */
export type TurnOutcome =
  | { kind: 'completed'; summary: string; finish: string; exitCode?: number | undefined }
  | { kind: 'failed'; summary: string; finish: string; error: TaskError; exitCode?: number | undefined }
  | { kind: 'interrupted'; summary: string; exitCode?: number | undefined };

/** A prompt to send. `record` is called with its id, right before it leaves. */
export interface Prompt {
  text: string;
  /** What the id is derived from; the same key gives the same id. */
  key: string;
  /** The id under which it was recorded before, and perhaps sent: then it leaves only if it never did. */
  recordedAs?: string | undefined;
  /** When that was, in epoch milliseconds. */
  recordedAt?: number | undefined;
  record(promptId: string): void;
}

/** An answer to a permission (`reply`) or to a question (`answers`, one list of labels a question). */
export type RunnerAnswer =
  | { type: 'permission'; reply: 'once' | 'always' | 'reject'; message?: string | undefined }
  | { type: 'question'; answers: string[][] };

/** One task's conversation with an agent. What a method's presence says, the runner can do. */
export interface Run {
  readonly sessionId: string;
  /** Whether nobody but the bridge has any business where it runs. */
  readonly exclusive?: boolean;
  /** Sends a prompt; resolves when the agent's turn is over. Never rejects. */
  turn(prompt: Prompt): Promise<TurnOutcome>;
  /** Ends everything that runs for the task; resolves when nothing does any more, rejects if that is unsure. */
  stop(): Promise<void>;
  /** Ends the present turn as `interrupted` and keeps the conversation. */
  interrupt?(): Promise<void>;
  /** Freezes what runs, in place; the turn stays open. */
  freeze?(): Promise<void>;
  thaw?(): Promise<void>;
  /** Answers a request; throws REQUEST_CLOSED where somebody else has. */
  answer?(requestId: string, answer: RunnerAnswer): Promise<void>;
  /** Tells what became of requests that were closed unheard. */
  recheck?(): Promise<void>;
  /**
   * Once the agent is done: ends what its commands left running, after a completed task by the operator's rule.
   * Resolves with what it was.
   */
  settle?(completed: boolean): Promise<ProcessLeft[]>;
  /** Lets go of the run; nothing is stopped. */
  close(): void;
}

export interface RunContext {
  emit(...events: TaskEventBody[]): void;
  /** What the task's log holds already: none of it is told again. */
  past: readonly TaskEvent[];
  /** Aborts the opening of the run. */
  signal: AbortSignal;
}

/** What a runner may read of tasks; a TaskStore has it. */
export interface TaskReader {
  get(taskId: string): Task | undefined;
  /** The tasks that have not ended. */
  unfinished(): Task[];
  /** Up to `limit` events with a `seq` above `afterSeq`, in order. */
  events(taskId: string, afterSeq: number, limit: number): TaskEvent[];
}

/** The two ports of a connection within this machine, as the one who was called sees them. */
export interface Connection {
  remotePort: number;
  localPort: number;
}

/** A back end that can run tasks: the seam between the ExecutionManager and OpenCode. */
export interface Runner {
  readonly name: 'opencode-server' | 'docker';
  /** Opens a conversation for the task, in its directory; continues the session it names, if it names one. */
  open(task: Task, context: RunContext): Promise<Run>;
  /** Ends what tasks left running that worked in the directory or below; rejects where something is left. */
  endProcesses?(directory: string): Promise<void>;
  /** Whether a connection within this machine may come from a command of a task, where that can be told. */
  mayHaveOpened?(connection: Connection): Promise<boolean>;
  health(): DependencyHealth[];
  close(): Promise<void>;
}
