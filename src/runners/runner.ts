import type { DependencyHealth } from '../health.ts';
import type { ProcessLeft, TaskError, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { ModelConfig } from '../tasks/model-config.ts';
import type { Task } from '../tasks/task.ts';
import type { LiveSink } from './live-sink.ts';

/**
 * The outcome of a turn; `exitCode` if the turn was a process of its own. `interrupted`: by the bridge, the
 * conversation can continue.
 */
export type TurnOutcome =
  | { kind: 'completed'; summary: string; finish: string; exitCode?: number | undefined }
  | { kind: 'failed'; summary: string; finish: string; error: TaskError; exitCode?: number | undefined }
  | { kind: 'interrupted'; summary: string; exitCode?: number | undefined };

/** A prompt to send. `record` is called with its id right before it is sent. */
export interface Prompt {
  text: string;
  /** The id is derived from it; the same key gives the same id. */
  key: string;
  /** The id under which an earlier process recorded it, and may have sent it: it is sent only if it was not. */
  recordedAs?: string | undefined;
  /** When it was recorded, in epoch milliseconds. */
  recordedAt?: number | undefined;
  record(promptId: string): void;
}

/** An answer to a permission (`reply`) or to a question (`answers`, one list of labels per question). */
export type RunnerAnswer =
  | { type: 'permission'; reply: 'once' | 'always' | 'reject'; message?: string | undefined }
  | { type: 'question'; answers: string[][] };

/** One task's conversation with an agent. An optional method is absent if the runner does not support it. */
export interface Run {
  readonly sessionId: string;
  /** Whether it runs on a server that only the bridge may use. */
  readonly exclusive?: boolean;
  /** Sends a prompt; resolves when the agent's turn is over. Never rejects. */
  turn(prompt: Prompt): Promise<TurnOutcome>;
  /** Stops everything that runs for the task; resolves when nothing runs, rejects if that is not certain. */
  stop(): Promise<void>;
  /** Ends the current turn as `interrupted` and keeps the conversation. */
  interrupt?(): Promise<void>;
  /** Freezes the processes; the turn stays open. */
  freeze?(): Promise<void>;
  thaw?(): Promise<void>;
  /** Answers a request; throws REQUEST_CLOSED if it was answered before. */
  answer?(requestId: string, answer: RunnerAnswer): Promise<void>;
  /** Emits the events of requests whose closing was missed. */
  recheck?(): Promise<void>;
  /**
   * Called when the agent is done. Ends processes that its commands left running; after a completed task only if
   * the operator's rule says so. Resolves with those processes.
   */
  settle?(completed: boolean): Promise<ProcessLeft[]>;
  /** Detaches from the run; stops nothing. */
  close(): void;
}

export interface RunContext {
  emit(...events: TaskEventBody[]): void;
  /** The events in the task's log; none of them is emitted again. */
  past: readonly TaskEvent[];
  /** Aborts the opening of the run. */
  signal: AbortSignal;
  /** For the text of parts that are not finished, if the runner has it. */
  live?: LiveSink | undefined;
}

/** What a runner may read of tasks; TaskStore implements it. */
export interface TaskReader {
  get(taskId: string): Task | undefined;
  /** The tasks that have not ended. */
  unfinished(): Task[];
  /** Up to `limit` events with a `seq` above `afterSeq`, in order. */
  events(taskId: string, afterSeq: number, limit: number): TaskEvent[];
}

/** The two ports of a connection within this machine, as the called side sees them. */
export interface Connection {
  remotePort: number;
  localPort: number;
}

/** What a task may choose, as OpenCode lists it for a directory. */
export interface RunnerChoices {
  /** `id` as provider/model; names are for people. */
  models: { id: string; name: string; provider: string }[];
  agents: { name: string; description?: string | undefined }[];
  /** What OpenCode takes where a task names none. */
  model?: string | undefined;
  agent?: string | undefined;
}

/** For which task a model is set up; what is absent is the choice of the runner, or of OpenCode. */
export interface ModelConfigTarget {
  directory: string;
  /** `provider/model`. */
  model?: string | undefined;
  agent?: string | undefined;
}

/** What the processes of OpenCode use now. */
export interface RunnerResources {
  memoryBytes: number;
  /** How often its own server was started anew since the bridge started. */
  restarts?: number | undefined;
  /** Containers of tasks. */
  containers?: { running: number; paused: number } | undefined;
}

/** A back end that can run tasks: the seam between the ExecutionManager and OpenCode. */
export interface Runner {
  readonly name: 'opencode-server' | 'docker';
  /** Opens a conversation for the task in its directory; continues the task's session if it has one. */
  open(task: Task, context: RunContext): Promise<Run>;
  /** Ends the processes that tasks in the directory or below left running; rejects if some still run. */
  endProcesses?(directory: string): Promise<void>;
  /** What tasks without a choice of their own get; absent: OpenCode's own. */
  readonly defaults?: { model?: string | undefined; agent?: string | undefined } | undefined;
  /** The models and agents that a task in the directory can have; rejects if OpenCode does not answer. */
  choices?(directory: string): Promise<RunnerChoices | undefined>;
  /** Throws UNSUPPORTED or INVALID_INPUT, by name, for what such a task cannot have; absent: it can have no settings. */
  requireModelConfig?(config: ModelConfig, target: ModelConfigTarget): Promise<void>;
  /** Whether a connection within this machine may come from a command of a task or from OpenCode itself, as far as it can be known. */
  mayHaveOpened?(connection: Connection): Promise<boolean>;
  health(): DependencyHealth[];
  /** What OpenCode uses; rejects if that cannot be read, absent where its processes are not the bridge's. */
  resources?(): Promise<RunnerResources | undefined>;
  close(): Promise<void>;
}
