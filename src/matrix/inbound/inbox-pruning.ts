import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { InboxStore } from './inbox-entry.ts';

const BATCH = 500;
/** Between two batches, so that pruning does not block the event loop. */
const PAUSE_MS = 100;
const HOUR_MS = 60 * 60 * 1_000;

export interface InboxPruningOptions {
  store: InboxStore;
  logger: Logger;
  clock: Clock;
}

/** Removes old answered messages every hour, in batches. */
export class InboxPruning {
  readonly #options: InboxPruningOptions;
  #cancel: () => void = () => undefined;

  constructor(options: InboxPruningOptions) {
    this.#options = options;
  }

  /** Runs the first batch now. */
  start(): void {
    const wait = this.#prune() ? PAUSE_MS : HOUR_MS;
    this.#cancel = this.#options.clock.after(wait, () => this.start());
  }

  close(): void {
    this.#cancel();
  }

  /** Whether there may be more. */
  #prune(): boolean {
    const { store, clock, logger } = this.#options;
    try {
      return store.prune(clock.now(), BATCH) === BATCH;
    } catch (thrown) {
      logger.error({ err: messageOf(thrown) }, 'old Matrix messages could not be removed');
      return false;
    }
  }
}
