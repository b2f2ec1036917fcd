import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { InboxStore } from './inbox-entry.ts';

const AT_ONCE = 500;
/** Between two steps where there is more; the event loop is for others meanwhile. */
const PAUSE_MS = 100;
const HOUR_MS = 60 * 60 * 1_000;

export interface InboxPruningOptions {
  store: InboxStore;
  logger: Logger;
  clock: Clock;
}

/** Forgets every hour what was answered long ago, in steps. */
export class InboxPruning {
  readonly #options: InboxPruningOptions;
  #cancel: () => void = () => undefined;

  constructor(options: InboxPruningOptions) {
    this.#options = options;
  }

  /** The first step now. */
  start(): void {
    const wait = this.#step() ? PAUSE_MS : HOUR_MS;
    this.#cancel = this.#options.clock.after(wait, () => this.start());
  }

  close(): void {
    this.#cancel();
  }

  /** Whether there may be more. */
  #step(): boolean {
    const { store, clock, logger } = this.#options;
    try {
      return store.prune(clock.now(), AT_ONCE) === AT_ONCE;
    } catch (thrown) {
      logger.error({ err: messageOf(thrown) }, 'what was answered in Matrix long ago could not be removed');
      return false;
    }
  }
}
