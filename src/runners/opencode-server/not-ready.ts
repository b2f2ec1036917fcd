import type { BridgeError } from '../../errors.ts';
import type { TaskEventBody } from '../../tasks/events.ts';

/** Warns that OpenCode is not ready, and for how long the task waits. */
export function notReadyWarning({ message }: BridgeError, limitMs: number | undefined): TaskEventBody {
  const limit = limitMs === undefined ? 'up to its own time limit' : `for ${limitMs / 1000} s at most`;
  return {
    kind: 'warning',
    code: 'ENGINE_NOT_READY',
    message: `${message.replace(/\.$/, '')}. The task waits until OpenCode is ready, ${limit}.`,
  };
}
