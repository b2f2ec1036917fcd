import type { Ack, Batch, Sink } from '../../src/notifications/sink.ts';
import type { TaskEventKind } from '../../src/tasks/events.ts';

/** A sink that remembers what it took, and does what the test says. */
export class RecordingSink implements Sink {
  readonly name = 'recorder';
  readonly urgent: ReadonlySet<TaskEventKind> = new Set<TaskEventKind>(['created', 'started', 'cancelled']);
  readonly paceMs = 5_000;
  readonly limitMs = 30_000;
  /** Every call, taken or not. */
  readonly calls: Batch[] = [];
  /** The numbers of the events that were taken, by task. */
  readonly taken = new Map<string, number[]>();
  /** What becomes of a call; unless it throws, the events are taken. */
  answer: (batch: Batch) => Promise<Ack> | Ack = () => ({});

  async deliver(batch: Batch): Promise<Ack> {
    this.calls.push(batch);
    const ack = await this.answer(batch);
    const seqs = batch.events.map(({ seq }) => seq);
    this.taken.set(batch.task.id, [...(this.taken.get(batch.task.id) ?? []), ...seqs]);
    return ack;
  }

  callsOf(taskId: string): Batch[] {
    return this.calls.filter(({ task }) => task.id === taskId);
  }
}
