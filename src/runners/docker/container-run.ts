import type { TaskEventBody, Usage } from '../../tasks/events.ts';
import { failed } from '../opencode-protocol/translate.ts';
import type { Prompt, Run, TurnOutcome } from '../runner.ts';
import { containerName, DEFAULT_OUTPUT_LIMIT } from './container-spec.ts';
import type { ContainerState } from './docker-client.ts';
import { followRun } from './follow-run.ts';
import { turnOutcome } from './outcome.ts';
import { PromptContainers, type PromptContainersOptions } from './prompt-containers.ts';
import { retryWhileUnavailable } from './retry.ts';
import { RunOutput } from './run-output.ts';
import { lastUsage, usageBefore } from './usage-counter.ts';

/** Between SIGTERM and SIGKILL. */
const STOP_GRACE_S = 2;
/** How long a new prompt waits for Docker. A recorded prompt waits until the task's time limit. */
const NEW_PROMPT_LIMIT_MS = 60_000;

export interface ContainerRunOptions extends PromptContainersOptions {
  sessionId: string;
  emit: (...events: TaskEventBody[]) => void;
  onClose: () => void;
}

/**
 * A task's conversation: one container for each turn, with OpenCode's session on disk between them. The container of
 * a turn goes through these states:
 *
 *     none → created → prompt recorded → running ⇄ paused → ended → removed
 *
 * - The prompt is recorded after the container is created and before it starts. So a container without a recorded
 *   prompt has never run: it is removed and created again. One with a recorded prompt is never created again, only
 *   started and followed, also by the next process.
 * - A container that is gone after its prompt was recorded ends the turn as ENGINE_LOST.
 * - A container is removed before that of the next prompt is created, and when the task has ended (`onClose`). Until
 *   then its log is needed to resume.
 */
export class ContainerRun implements Run {
  readonly sessionId: string;
  readonly #options: ContainerRunOptions;
  readonly #closing = new AbortController();
  #launching: Promise<unknown> = Promise.resolve();
  /** The container of the present turn. */
  #current: string | undefined;
  #usage: Usage;
  readonly #containers: PromptContainers;
  #stopping = false;

  constructor(options: ContainerRunOptions) {
    this.sessionId = options.sessionId;
    this.#options = options;
    this.#usage = lastUsage(options.past);
    this.#containers = new PromptContainers(options);
  }

  async turn(prompt: Prompt): Promise<TurnOutcome> {
    const { container, past, limits } = this.#options;
    const name = prompt.recordedAs ?? containerName(container.bridgeId, prompt.key);
    if (prompt.recordedAs !== undefined) this.#usage = usageBefore(past, name);
    const total = limits.outputBytes ?? DEFAULT_OUTPUT_LIMIT;
    const output = new RunOutput(container.directory, past, this.#usage, { total });
    try {
      const launching = this.#launch(name, prompt);
      this.#launching = launching.catch(() => undefined);
      await launching;
      const exit = await this.#follow(name, output);
      this.#usage = output.usage;
      if (this.#isOver) return { kind: 'interrupted', summary: output.report.summary };
      return this.#outcome(output, exit);
    } catch (thrown) {
      if (this.#isOver) return { kind: 'interrupted', summary: output.report.summary };
      return failed(thrown);
    } finally {
      this.#current = undefined;
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const { docker } = this.#options;
    try {
      await this.#launching;
      const names = await this.#containers.list();
      await Promise.all(names.map((name) => docker.stop(name, STOP_GRACE_S)));
    } finally {
      this.#closing.abort();
    }
  }

  async freeze(): Promise<void> {
    await this.#launching;
    if (this.#current !== undefined) await this.#options.docker.pause(this.#current);
  }

  async thaw(): Promise<void> {
    if (this.#current !== undefined) await this.#options.docker.unpause(this.#current);
  }

  close(): void {
    this.#closing.abort();
    // On every call: the task's end is recorded only before the last one, and its containers must stay until then.
    this.#options.onClose();
  }

  get #isOver(): boolean {
    return this.#stopping || this.#closing.signal.aborted;
  }

  /** Starts the container of the prompt, unless a recorded prompt has one that runs, has ended or is gone. */
  async #launch(name: string, prompt: Prompt): Promise<void> {
    const { docker } = this.#options;
    let recorded = prompt.recordedAs !== undefined;
    await this.#retry(recorded ? undefined : NEW_PROMPT_LIMIT_MS, async () => {
      if (!recorded) {
        await this.#containers.create(name, prompt.text);
        if (this.#isOver) return;
        prompt.record(name);
        this.#containers.onRecorded({ id: name, text: prompt.text });
        recorded = true;
      }
      this.#current = name;
      const state = await docker.state(name);
      if (state?.status === 'created') await docker.start(name);
      if (state?.status === 'paused') await docker.unpause(name);
    });
  }

  #follow(name: string, output: RunOutput): Promise<ContainerState | undefined> {
    const { docker, emit, folder } = this.#options;
    return followRun({
      docker,
      name,
      output,
      signal: this.#closing.signal,
      emit,
      onSession: (session) => folder.saveState({ session, prompt: name }),
      retry: (work) => this.#retry(undefined, work),
    });
  }

  #outcome(output: RunOutput, exit: ContainerState | undefined): TurnOutcome {
    const { limits, emit } = this.#options;
    const outcome = turnOutcome(output.report, exit, limits.image);
    if (outcome.kind === 'completed' && exit?.oomKilled) {
      const message = 'A process in the container was killed because it reached RUNNER_MEMORY_LIMIT.';
      emit({ kind: 'warning', code: 'OUT_OF_MEMORY', message });
    }
    return { ...outcome, exitCode: exit?.exitCode };
  }

  #retry<T>(limitMs: number | undefined, work: () => Promise<T>): Promise<T> {
    return retryWhileUnavailable(work, {
      limitMs,
      isCancelled: () => this.#isOver,
      onUnavailable: (reason) => {
        const message = `${reason}; the task continues when it is back.`;
        this.#options.emit({ kind: 'warning', code: 'ENGINE_UNREACHABLE', message });
      },
    });
  }
}
