import type { RateLimitedSender } from '../../matrix/rate-limited-sender.ts';
import type { TaskEventKind } from '../../tasks/events.ts';
import { END_STATUSES } from '../../tasks/task.ts';
import type { Ack, Batch, Sink } from '../sink.ts';
import { notesOf } from './notes.ts';
import type { Rooms } from './rooms.ts';
import { TaskThread } from './task-thread.ts';

/** The shortest time between two updates of a card. */
const PACE_MS = 5_000;
const LIMIT_MS = 60_000;

export interface MatrixSinkOptions {
  rooms: Rooms;
  sender: RateLimitedSender;
  mode: 'thread' | 'room';
  /** The users to notify of every task. */
  observers: readonly string[];
}

/** Shows people in a room the progress, requests and results of tasks. */
export class MatrixSink implements Sink {
  readonly name = 'matrix';
  readonly urgent: ReadonlySet<TaskEventKind> = new Set<TaskEventKind>([
    'created',
    'request_opened',
    'request_closed',
    'warning',
    'paused',
    'resumed',
    ...END_STATUSES,
  ]);
  readonly paceMs = PACE_MS;
  readonly limitMs = LIMIT_MS;
  readonly #options: MatrixSinkOptions;

  constructor(options: MatrixSinkOptions) {
    this.#options = options;
  }

  async deliver(batch: Batch): Promise<Ack> {
    const { task, events, signal } = batch;
    const { rooms, sender, mode } = this.#options;
    const notes = notesOf(batch);
    if (notes.now.roomId === undefined) notes.change(await rooms.of(task, signal));
    const { roomId = '' } = notes.now;
    await rooms.requireUnencrypted(roomId, signal);
    const observers = [...new Set([...this.#options.observers, ...task.observers])];
    const threaded = mode === 'thread';
    const thread = new TaskThread({ sender, task, notes, roomId, threaded, observers, signal });
    if (notes.now.root === undefined) await thread.begin();
    await thread.post(events);
    return { againAt: await thread.refresh() };
  }
}
