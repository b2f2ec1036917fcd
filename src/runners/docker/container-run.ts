import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../errors.ts';
import type { TaskEvent, TaskEventBody, Usage } from '../../tasks/events.ts';
import { NO_USAGE } from '../../tasks/events.ts';
import { failed } from '../opencode-protocol/translate.ts';
import type { Prompt, Run, TurnOutcome } from '../runner.ts';
import { type SentPrompt, sentPrompts } from '../sent-prompts.ts';
import {
  type ContainerLimits,
  type ContainerOptions,
  containerName,
  containerSpec,
  DEFAULT_OUTPUT_LIMIT,
  LABELS,
} from './container-spec.ts';
import type { ContainerState, DockerClient, OnOutput } from './docker-client.ts';
import { turnOutcome } from './outcome.ts';
import { RunOutput } from './run-output.ts';
import { type SessionFolder, type SessionState, unansweredPrompts } from './session-folder.ts';

/** Between SIGTERM and SIGKILL. */
const STOP_GRACE_S = 2;
/** How long a prompt waits for an engine that does not answer; one that is on record waits up to the task's limit. */
const REACH_LIMIT_MS = 60_000;
const RETRY_MS = 1_000;
const POLL_MS = 25;

export interface ContainerRunOptions {
  sessionId: string;
  folder: SessionFolder;
  container: Omit<ContainerOptions, 'promptFile' | 'session'>;
  limits: ContainerLimits;
  docker: DockerClient;
  past: readonly TaskEvent[];
  /** What earlier tasks of the conversation said. */
  earlierPrompts: () => SentPrompt[];
  emit: (...events: TaskEventBody[]) => void;
  onClose: () => void;
}

/** One task's conversation: a container for each turn, the session on disk between them. */
export class ContainerRun implements Run {
  readonly sessionId: string;
  readonly #options: ContainerRunOptions;
  readonly #closing = new AbortController();
  #launching: Promise<unknown> = Promise.resolve();
  #current: string | undefined;
  #used: Usage;
  /** Every prompt of the task that is on record. */
  readonly #said: SentPrompt[];
  #stopping = false;
  /** OpenCode's own, once it is written down that it heard the present prompt. */
  #session: string | undefined;

  constructor(options: ContainerRunOptions) {
    this.sessionId = options.sessionId;
    this.#options = options;
    this.#used = usageIn(options.past);
    this.#said = sentPrompts(options.past);
  }

  async turn(prompt: Prompt): Promise<TurnOutcome> {
    const { container, past, limits } = this.#options;
    const name = prompt.recordedAs ?? containerName(container.bridgeId, prompt.key);
    if (prompt.recordedAs !== undefined) this.#used = usageBefore(past, name);
    const total = limits.outputBytes ?? DEFAULT_OUTPUT_LIMIT;
    this.#session = undefined;
    const output = new RunOutput(container.directory, past, this.#used, { total });
    try {
      const launching = this.#launch(name, prompt);
      this.#launching = launching.catch(() => undefined);
      await launching;
      const end = await this.#watch(name, output);
      this.#used = output.usage;
      if (this.#isOver) return { kind: 'interrupted', summary: output.report.summary };
      return this.#outcome(output, end);
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
      const names = await this.#containers();
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
    // Each time: only after the last is the end of the task on record, and its containers may go.
    this.#options.onClose();
  }

  get #isOver(): boolean {
    return this.#stopping || this.#closing.signal.aborted;
  }

  /** Has the container run, which a recorded prompt may have had already; where that is gone, so be it. */
  async #launch(name: string, prompt: Prompt): Promise<void> {
    const { docker } = this.#options;
    let recorded = prompt.recordedAs !== undefined;
    await this.#retryWhileUnavailable(recorded, async () => {
      if (!recorded) {
        await this.#create(name, prompt.text);
        if (this.#isOver) return;
        prompt.record(name);
        this.#said.push({ id: name, text: prompt.text });
        recorded = true;
      }
      this.#current = name;
      const state = await docker.state(name);
      if (state?.status === 'created') await docker.start(name);
      if (state?.status === 'paused') await docker.unpause(name);
    });
  }

  /** What of the same name is there has never been started: its prompt would be on record. */
  async #create(name: string, text: string): Promise<void> {
    const { docker, folder, container, limits } = this.#options;
    for (const left of await this.#containers()) await docker.remove(left);
    const { state } = folder;
    const texts = [...this.#unheard(state).map((said) => said.text), text];
    const promptFile = await folder.writePrompt(name, texts.join('\n\n'));
    await docker.create(name, containerSpec({ ...container, promptFile, session: state?.session }, limits));
  }

  #unheard(heard: SessionState | undefined): SentPrompt[] {
    const own = this.#said.some(({ id }) => id === heard?.prompt);
    return unansweredPrompts(own ? this.#said : [...this.#options.earlierPrompts(), ...this.#said], heard);
  }

  /** Hears the container to its end; undefined where it is gone. */
  async #watch(name: string, output: RunOutput): Promise<ContainerState | undefined> {
    const { docker, emit } = this.#options;
    const { signal } = this.#closing;
    for (;;) {
      const state = await this.#retryWhileUnavailable(true, async () => {
        output.restart();
        const enough = new AbortController();
        const hear: OnOutput = (stream, chunk) => {
          if (enough.signal.aborted) return;
          if (this.#hear(name, output, output.read(stream, chunk))) enough.abort();
        };
        await docker.followLogs(name, hear, AbortSignal.any([signal, enough.signal]));
        if (enough.signal.aborted) await docker.stop(name, 0);
        return this.#settled(name);
      });
      if (state && state.status !== 'ended' && !signal.aborted) continue;
      if (!signal.aborted) emit(...output.end());
      return state;
    }
  }

  /** How the container is once its output has ended, which it outlives by a moment. */
  async #settled(name: string): Promise<ContainerState | undefined> {
    const deadline = Date.now() + RETRY_MS;
    for (;;) {
      const state = await this.#options.docker.state(name);
      if (!state || state.status === 'ended' || Date.now() > deadline) return state;
      await sleep(POLL_MS);
    }
  }

  /** Whether the run has to be ended: it goes on with another agent than was asked for, or writes without end. */
  #hear(name: string, output: RunOutput, events: TaskEventBody[]): boolean {
    const { emit, folder } = this.#options;
    if (this.#closing.signal.aborted) return false;
    const { session, unknownAgent, outputLimitReached } = output.report;
    if (session !== undefined && session !== this.#session) folder.saveState({ session, prompt: name });
    this.#session = session;
    emit(...events);
    return unknownAgent !== undefined || outputLimitReached === true;
  }

  #outcome(output: RunOutput, end: ContainerState | undefined): TurnOutcome {
    const { limits, emit } = this.#options;
    const outcome = turnOutcome(output.report, end, limits.image);
    if (outcome.kind === 'completed' && end?.oomKilled) {
      const message = 'Something in the container was killed because RUNNER_MEMORY_LIMIT was used up.';
      emit({ kind: 'warning', code: 'OUT_OF_MEMORY', message });
    }
    return { ...outcome, exitCode: end?.exitCode };
  }

  async #containers(): Promise<string[]> {
    const { docker, container } = this.#options;
    const labels = { [LABELS.bridge]: container.bridgeId, [LABELS.task]: container.taskId };
    return (await docker.list(labels)).map(({ name }) => name);
  }

  /** Does it again while the engine does not answer; `endlessly`, or for a minute. */
  async #retryWhileUnavailable<T>(endlessly: boolean, work: () => Promise<T>): Promise<T> {
    const deadline = endlessly ? Number.POSITIVE_INFINITY : Date.now() + REACH_LIMIT_MS;
    for (let warned = false; ; warned = true) {
      try {
        return await work();
      } catch (thrown) {
        const passes = thrown instanceof BridgeError && thrown.code === 'ENGINE_UNAVAILABLE';
        if (!passes || this.#isOver || Date.now() > deadline) throw thrown;
        const message = `${thrown.message}; the task goes on when it is back.`;
        if (!warned) this.#options.emit({ kind: 'warning', code: 'ENGINE_UNREACHABLE', message });
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}

/** What a task had used when its log ended. */
function usageIn(past: readonly TaskEvent[]): Usage {
  return past.findLast((event) => event.kind === 'usage')?.usage ?? NO_USAGE;
}

/** What a task had used before a prompt was recorded. */
function usageBefore(past: readonly TaskEvent[], promptId: string): Usage {
  const at = past.findIndex((event) => 'prompt_id' in event && event.prompt_id === promptId);
  return usageIn(past.slice(0, Math.max(0, at)));
}
