import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Run } from '../runners/runner.ts';

/** Lets go of a run that was opened when its task was over already, and of what it was given to run in. */
export function discard(run: Run, logger: Logger): void {
  const settled = run.settle?.(false);
  settled?.catch((thrown) => logger.warn({ err: messageOf(thrown) }, 'what a task left could not be ended'));
  run.close();
}
