import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../errors.ts';
import type { Run, RunContext, Runner } from '../runners/runner.ts';
import type { Task } from '../tasks/task.ts';

/** How long to wait for the server in order to stop what an earlier process started. */
const STOP_LIMIT_MS = 60_000;
/** How long an answer waits for a run that is being opened, such as after a restart. */
const OPEN_LIMIT_MS = 10_000;

/** The run of one task at its runner, absent until it is open. */
export class RunHandle {
  readonly #runner: Runner;
  readonly #context: Omit<RunContext, 'signal'>;
  /** Whether an earlier process recorded a prompt, and may have sent it. */
  readonly #promptRecorded: boolean;
  #run: Run | undefined;
  readonly #opened = Promise.withResolvers<Run>();

  constructor(runner: Runner, context: Omit<RunContext, 'signal'>) {
    this.#runner = runner;
    this.#context = context;
    this.#promptRecorded = context.past.some(({ kind }) => kind === 'attached' || kind === 'message_sent');
  }

  get current(): Run | undefined {
    return this.#run;
  }

  async open(task: Task, signal: AbortSignal): Promise<Run> {
    this.#run = await this.#runner.open(task, { ...this.#context, signal });
    this.#opened.resolve(this.#run);
    return this.#run;
  }

  /** Stops what runs, also what an earlier process started: for that the run has to be opened first. */
  async stop(task: Task): Promise<void> {
    if (this.#promptRecorded && !this.#run) await this.open(task, AbortSignal.timeout(STOP_LIMIT_MS));
    await this.#run?.stop();
  }

  /** Throws UNSUPPORTED if the current turn cannot be interrupted. */
  requireInterruptible(): void {
    if (!this.#run || this.#run.interrupt) return;
    const next = 'Send it with delivery "queue", or cancel the task.';
    throw new BridgeError('UNSUPPORTED', `Runner ${this.#runner.name} cannot be interrupted.`, { next });
  }

  /** The run, if it can answer requests, as soon as it is open; throws ENGINE_UNAVAILABLE or UNSUPPORTED. */
  async answerable(): Promise<Required<Pick<Run, 'answer'>>> {
    const run = this.#run ?? (await this.#opening());
    const answer = run.answer?.bind(run);
    if (answer) return { answer };
    throw new BridgeError('UNSUPPORTED', `Runner ${this.#runner.name} cannot do "answer".`);
  }

  async #opening(): Promise<Run> {
    const limit = new AbortController();
    const late = sleep(OPEN_LIMIT_MS, undefined, { signal: limit.signal, ref: false }).catch(() => undefined);
    const run = await Promise.race([this.#opened.promise, late]);
    limit.abort();
    if (run) return run;
    throw new BridgeError('ENGINE_UNAVAILABLE', 'The task is not connected to its runner yet.', {
      next: 'Answer again in a moment.',
    });
  }
}
