import type { Parcel, Receipt, Sink } from '../../src/notifications/sink.ts';
import type { TaskEventKind } from '../../src/tasks/events.ts';

/** A sink that remembers what it took, and does what the test says. */
export class RecordingSink implements Sink {
  readonly name = 'recorder';
  readonly urgent: ReadonlySet<TaskEventKind> = new Set<TaskEventKind>(['created', 'started', 'cancelled']);
  readonly paceMs = 5_000;
  readonly limitMs = 30_000;
  /** Every call, taken or not. */
  readonly calls: Parcel[] = [];
  /** The numbers of the events that were taken, by task. */
  readonly taken = new Map<string, number[]>();
  /** What becomes of a call; unless it throws, the events are taken. */
  answer: (parcel: Parcel) => Promise<Receipt> | Receipt = () => ({});

  async deliver(parcel: Parcel): Promise<Receipt> {
    this.calls.push(parcel);
    const receipt = await this.answer(parcel);
    const seqs = parcel.events.map(({ seq }) => seq);
    this.taken.set(parcel.task.id, [...(this.taken.get(parcel.task.id) ?? []), ...seqs]);
    return receipt;
  }

  callsOf(taskId: string): Parcel[] {
    return this.calls.filter(({ task }) => task.id === taskId);
  }
}
