import type { Task } from '../tasks/task.ts';
import type { Sink } from './sink.ts';

/** Called with each call of a sink that has ended: when it began, and whether it failed. */
export type CallObserver = (task: Task, sink: string, beganAt: number, failed: boolean) => void;

/** The sink, whose calls are reported. */
export function observeCalls(sink: Sink, report: CallObserver): Sink {
  const { name, urgent, paceMs, limitMs } = sink;
  return {
    ...{ name, urgent, paceMs, limitMs },
    async deliver(batch) {
      const beganAt = Date.now();
      let failed = true;
      try {
        const ack = await sink.deliver(batch);
        failed = false;
        return ack;
      } finally {
        report(batch.task, name, beganAt, failed);
      }
    },
  };
}
