import { BridgeError } from '../errors.ts';
import type { Run } from '../runners/runner.ts';
import { SerialQueue } from '../serial-queue.ts';
import type { EventOf, TaskEventBody } from '../tasks/events.ts';

export interface PauseControllerOptions {
  taskId: string;
  /** The run to pause; undefined while it starts. */
  run: () => Run | undefined;
  /** Whether the task's end is decided. */
  isOver: () => boolean;
  append: (...events: TaskEventBody[]) => void;
  /** Called when the run is paused; returns events to store before `paused`. */
  onPaused: () => TaskEventBody[];
  onResumed: () => void;
}

/**
 * Pauses and resumes one task, one control at a time, in the order of the calls.
 *
 *     off       pause()     → pausing   (control stored, run frozen or interrupted)
 *     pausing   done        → paused    (`paused` stored); a failure → off
 *     paused    resume()    → off       (`resumed` stored)
 *     any       release()   → off       (the task ends)
 */
export class PauseController {
  readonly #options: PauseControllerOptions;
  readonly #controls = new SerialQueue();
  #released: PromiseWithResolvers<void> | undefined;

  constructor(options: PauseControllerOptions) {
    this.#options = options;
  }

  /** Whether the task is pausing or paused. */
  get on(): boolean {
    return this.#released !== undefined;
  }

  /** Resolves at once if the task is not paused, otherwise when it is resumed or ends. */
  async released(): Promise<void> {
    await this.#released?.promise;
  }

  /** Restores a pause of an earlier process. */
  restore(): void {
    this.#released = Promise.withResolvers();
  }

  /** Ends a pause; stores no event. */
  release(): void {
    const released = this.#released;
    this.#released = undefined;
    released?.resolve();
  }

  /** Has no effect on a task that is paused, or whose end is decided. */
  pause(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#controls.run(() => this.#pause(by, reason, ref));
  }

  /** Has no effect on a task that is not paused. */
  resume(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#controls.run(() => this.#resume(by, reason, ref));
  }

  async #pause(by: string, reason: string | undefined, ref: string | undefined): Promise<void> {
    const { taskId, isOver, append, onPaused } = this.#options;
    if (isOver()) return;
    const control: EventOf<'control'> = { kind: 'control', control: 'pause', by, reason, ref };
    if (this.on) return this.#record(control);
    const run = this.#options.run();
    const suspend = run?.freeze ?? run?.interrupt;
    if (!run || !suspend) {
      const next = 'Try again in a second.';
      throw new BridgeError('INVALID_STATE', `Task ${taskId} cannot pause yet: it is starting.`, { next });
    }
    append(control);
    this.restore();
    try {
      await suspend.call(run);
    } catch (thrown) {
      this.release();
      throw thrown;
    }
    if (!isOver()) append(...onPaused(), { kind: 'paused' });
  }

  async #resume(by: string, reason: string | undefined, ref: string | undefined): Promise<void> {
    const { run, isOver, append, onResumed } = this.#options;
    if (isOver()) return;
    const control: EventOf<'control'> = { kind: 'control', control: 'resume', by, reason, ref };
    if (!this.on) return this.#record(control);
    append(control);
    await run()?.thaw?.();
    if (isOver()) return;
    append({ kind: 'resumed' });
    onResumed();
    this.release();
  }

  /** A control without effect is stored if it has a `ref`, so that a repeat of its message has no effect either. */
  #record(control: EventOf<'control'>): void {
    if (control.ref !== undefined) this.#options.append(control);
  }
}
