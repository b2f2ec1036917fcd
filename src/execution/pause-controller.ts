import { BridgeError } from '../errors.ts';
import type { Run } from '../runners/runner.ts';
import type { EventOf, TaskEventBody } from '../tasks/events.ts';

export interface PauseControllerOptions {
  taskId: string;
  /** What is to be held; undefined while it is only starting. */
  run: () => Run | undefined;
  /** Whether the task takes nothing more. */
  isOver: () => boolean;
  append: (...events: TaskEventBody[]) => void;
  /** Called when the run is held; answers what else there is to tell. */
  onHeld: () => TaskEventBody[];
  onResumed: () => void;
}

/** The pauses of one task: one control at a time, in the order they came. */
export class PauseController {
  readonly #options: PauseControllerOptions;
  #last: Promise<void> = Promise.resolve();
  #released: PromiseWithResolvers<void> | undefined;

  constructor(options: PauseControllerOptions) {
    this.#options = options;
  }

  /** From the moment a pause is asked for until the run goes on. */
  get on(): boolean {
    return this.#released !== undefined;
  }

  /** Resolves when nothing is held. */
  async released(): Promise<void> {
    await this.#released?.promise;
  }

  /** Takes up a pause of an earlier process. */
  restore(): void {
    this.#released = Promise.withResolvers();
  }

  /** Lets whoever waits for the end of the pause go on; nothing is told. */
  release(): void {
    const released = this.#released;
    this.#released = undefined;
    released?.resolve();
  }

  /** Does nothing to a task that is paused, or whose end is decided meanwhile. */
  pause(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#next(() => this.#pause(by, reason, ref));
  }

  /** Does nothing to a task that is not paused. */
  resume(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#next(() => this.#resume(by, reason, ref));
  }

  #next(control: () => Promise<void>): Promise<void> {
    const done = this.#last.then(control);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #pause(by: string, reason: string | undefined, ref: string | undefined): Promise<void> {
    const { taskId, isOver, append, onHeld } = this.#options;
    if (isOver()) return;
    const asked: EventOf<'control'> = { kind: 'control', control: 'pause', by, reason, ref };
    if (this.on) return this.#keep(asked);
    const run = this.#options.run();
    const hold = run?.freeze ?? run?.interrupt;
    if (!run || !hold) {
      const next = 'Try again in a second.';
      throw new BridgeError('INVALID_STATE', `Task ${taskId} cannot pause: it is only starting.`, { next });
    }
    append(asked);
    this.restore();
    try {
      await hold.call(run);
    } catch (thrown) {
      this.release();
      throw thrown;
    }
    if (!isOver()) append(...onHeld(), { kind: 'paused' });
  }

  async #resume(by: string, reason: string | undefined, ref: string | undefined): Promise<void> {
    const { run, isOver, append, onResumed } = this.#options;
    if (isOver()) return;
    const asked: EventOf<'control'> = { kind: 'control', control: 'resume', by, reason, ref };
    if (!this.on) return this.#keep(asked);
    append(asked);
    await run()?.thaw?.();
    if (isOver()) return;
    append({ kind: 'resumed' });
    onResumed();
    this.release();
  }

  /** What changes nothing now must not do so either when its outside message comes again. */
  #keep(asked: EventOf<'control'>): void {
    if (asked.ref !== undefined) this.#options.append(asked);
  }
}
