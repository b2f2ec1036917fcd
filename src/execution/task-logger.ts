import type { Logger } from '../logger.ts';
import type { EventLog } from '../store/event-log.ts';
import { logFields } from '../tasks/log-fields.ts';

/** A logger whose lines say which task they are about. */
export function taskLogger({ log, logger }: { log: EventLog; logger: Logger }, taskId: string): Logger {
  const task = log.get(taskId);
  return logger.child(task ? logFields(task) : { taskId });
}
