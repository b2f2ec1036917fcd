import type { Logger } from '../logger.ts';
import type { Runner } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import type { RecoveryRules } from './conversation.ts';
import type { RequestRules } from './input-requests.ts';
import type { LiveFeeds } from './live/live-feeds.ts';

export type MessageDelivery = 'queue' | 'interrupt';

/** What is stored with a message. */
export interface MessageMarks {
  type?: string | undefined;
  /** The id of the message outside of the bridge that caused it. */
  ref?: string | undefined;
}

export interface TaskRunOptions {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  live: LiveFeeds;
  requests: RequestRules;
  recovery: RecoveryRules;
  logger: Logger;
  now: () => number;
}
