import type { OpenCodeError } from '../opencode-protocol/wire.ts';

/** What the output has reported about the run so far. */
export interface RunReport {
  /** OpenCode's session id. */
  session?: string | undefined;
  /** The text of the model's last message. */
  summary: string;
  /** Why the last step ended; undefined during a step and before the first. */
  finish?: string | undefined;
  /** Undefined where OpenCode continued after the error. */
  error?: OpenCodeError | undefined;
  unknownAgent?: string | undefined;
  /** The last permissions that the CLI rejected by itself. */
  rejectedPermissions: string[];
  /** Whether the output has exceeded its limit; the rest of it is not read. */
  outputLimitReached?: boolean | undefined;
  /** The last line that was not JSON. */
  lastPlainLine?: string | undefined;
}

export function emptyReport(): RunReport {
  return { summary: '', rejectedPermissions: [] };
}
