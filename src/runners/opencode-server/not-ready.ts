import type { BridgeError } from '../../errors.ts';
import type { TaskEventBody } from '../../tasks/events.ts';

/** Tells that OpenCode cannot do its part yet, and for how long that is waited for. */
export function notReady({ message }: BridgeError, limitMs: number | undefined): TaskEventBody {
  const limit = limitMs === undefined ? 'up to its own time limit' : `for ${limitMs / 1000} s at most`;
  return {
    kind: 'warning',
    code: 'ENGINE_NOT_READY',
    message: `${message.replace(/\.$/, '')}. The task waits for that to pass, ${limit}.`,
  };
}
