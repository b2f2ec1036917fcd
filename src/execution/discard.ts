import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Run } from '../runners/runner.ts';

/** Closes a run that was opened after its task had ended, and releases its resources. */
export function discard(run: Run, logger: Logger): void {
  const settled = run.settle?.(false);
  settled?.catch((thrown) =>
    logger.warn({ err: messageOf(thrown) }, 'processes of a task could not be stopped'),
  );
  run.close();
}
