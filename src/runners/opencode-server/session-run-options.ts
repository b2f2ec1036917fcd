import type { Logger } from '../../logger.ts';
import type { TaskEvent, TaskEventBody } from '../../tasks/events.ts';
import type { LiveSink } from '../live-sink.ts';
import type { Shells } from '../shell/shells.ts';
import type { OpenCodeApi } from './api.ts';
import type { Approvals } from './approvals.ts';
import type { EventStream } from './event-stream.ts';
import type { FolderInstance } from './instances.ts';
import type { TurnLimits } from './session-state.ts';

export interface SessionRunOptions {
  sessionId: string;
  directory: string;
  /** Sessions below this one that belong to earlier tasks. */
  earlier: readonly string[];
  /** What the task's log holds already. */
  past: readonly TaskEvent[];
  /** The task's first prompt, if it has one already. */
  firstPromptId?: string | undefined;
  model?: string | undefined;
  agent: string;
  /** Text that each prompt adds to the agent's system prompt. */
  system?: string | undefined;
  /** Whether the session's rules make OpenCode ask before edits outside of the directory. */
  guarded: boolean;
  /** Whether the bridge started the server. */
  exclusive: boolean;
  limits: TurnLimits;
  shells?: Shells | undefined;
  api: OpenCodeApi;
  approvals: Approvals;
  stream: EventStream;
  emit: (...events: TaskEventBody[]) => void;
  live: LiveSink | undefined;
  logger: Logger;
  now: () => number;
  folder: FolderInstance;
  onClose: () => void;
}
