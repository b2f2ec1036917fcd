import { type Clock, SYSTEM_CLOCK } from '../../clock.ts';
import type { LiveSink } from '../../runners/live-sink.ts';
import type { EventLog } from '../../store/event-log.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import type { FollowItem } from '../../tasks/live-frame.ts';
import { isEnd } from '../../tasks/task.ts';
import { LiveFeed } from './live-feed.ts';
import { LiveFollower } from './live-follower.ts';

/** The live text of a task as its run sees it. */
export interface TaskLive extends LiveSink {
  /** Events are about to be stored: what they finish is passed on first. */
  finish(events: readonly TaskEventBody[]): void;
}

/** The live text of all tasks. A task that nobody follows has no feed here. */
export class LiveFeeds {
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #feeds = new Map<string, LiveFeed>();

  constructor(log: EventLog, clock: Clock = SYSTEM_CLOCK) {
    this.#log = log;
    this.#clock = clock;
  }

  /** The sink for a task's run; `isOver`: nothing more of the task counts. */
  of(taskId: string, isOver: () => boolean): TaskLive {
    const feed = (): LiveFeed | undefined => this.#feeds.get(taskId);
    return {
      get wanted() {
        return feed() !== undefined && !isOver();
      },
      begin: (part) => feed()?.begin(part),
      append: (part, text) => feed()?.append(part, text),
      show: (part, text, isEnd) => feed()?.show(part, text, isEnd),
      gap: () => feed()?.gap(),
      end: (part) => feed()?.end(part),
      finish: (events) => {
        const open = feed();
        if (!open) return;
        for (const event of events) {
          if (event.kind === 'output') open.finish(event.part_id);
          if (event.kind === 'tool' && event.phase === 'finished') open.finish(event.call_id);
        }
      },
    };
  }

  /** A task's stored events after `afterSeq`, and from the first read on its live text, in the order in which they came. */
  async *follow(
    taskId: string,
    afterSeq: number,
    signal: AbortSignal,
  ): AsyncGenerator<FollowItem, void, void> {
    const follower = new LiveFollower();
    const feed =
      this.#feeds.get(taskId) ?? new LiveFeed({ clock: this.#clock, lastSeq: () => this.#lastSeq(taskId) });
    this.#feeds.set(taskId, feed);
    feed.followers.add(follower);
    try {
      yield* this.#log.followWith(taskId, afterSeq, signal, follower);
    } finally {
      feed.followers.delete(follower);
      if (feed.followers.size === 0) {
        feed.close();
        this.#feeds.delete(taskId);
      }
    }
  }

  /** Followers get no more live text: the store is about to close. */
  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
  }

  /** Undefined once the task has ended. */
  #lastSeq(taskId: string): number | undefined {
    const task = this.#log.get(taskId);
    return task && !isEnd(task.status) ? task.lastSeq : undefined;
  }
}
