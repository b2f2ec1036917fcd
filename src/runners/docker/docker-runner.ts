import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, toBridgeError } from '../../errors.ts';
import type { DependencyHealth } from '../../health.ts';
import type { Logger } from '../../logger.ts';
import type { ModelConfig } from '../../tasks/model-config.ts';
import type { Task } from '../../tasks/task.ts';
import type { ProviderAccess } from '../opencode-protocol/provider-blocks.ts';
import type { ModelConfigTarget, Run, RunContext, Runner, RunnerResources, TaskReader } from '../runner.ts';
import { type SentPrompt, sentPrompts } from '../sent-prompts.ts';
import { bridgeIdOf } from './bridge-id.ts';
import { Cleanup, conversationOf } from './cleanup.ts';
import { containerResources } from './container-resources.ts';
import { ContainerRun } from './container-run.ts';
import type { ContainerLimits } from './container-spec.ts';
import { containerUserFor } from './container-user.ts';
import { assertSeparateFromDataDir, filesInside } from './data-dir-guard.ts';
import { DockerClient } from './docker-client.ts';
import { dockerHealth } from './docker-health.ts';
import { requireModelConfig } from './model-settings.ts';
import { SessionFolder } from './session-folder.ts';

/** How often the health of Docker is checked and old containers are removed. */
const INTERVAL_MS = 30_000;

export interface DockerRunnerOptions {
  /** The address of Docker: `unix:///path` or `tcp://host:port`. */
  host: string;
  limits: ContainerLimits;
  /** `provider/model` for tasks that name none; absent: OpenCode's own default. */
  model?: string | undefined;
  agent?: string | undefined;
  dataDir: string;
  /** Files that no container may see. */
  envFiles?: readonly string[] | undefined;
  /** The providers of models that a task reaches without their keys; `model` is provider/model. */
  providers?: ((taskId: string, model: string | undefined) => Promise<ProviderAccess>) | undefined;
  store: TaskReader;
  logger: Logger;
}

/** Runs tasks in Docker containers, one for each turn. It recognizes its own containers by a label. */
export class DockerRunner implements Runner {
  readonly name = 'docker';
  readonly #options: DockerRunnerOptions;
  readonly #docker: DockerClient;
  readonly #bridgeId: string;
  readonly #sessions: string;
  readonly #cleanup: Cleanup;
  readonly #closing = new AbortController();
  readonly #background = new Set<Promise<void>>();
  #health: DependencyHealth = { name: 'docker', status: 'down', detail: 'not checked yet' };

  constructor(options: DockerRunnerOptions) {
    const { host, dataDir, store } = options;
    this.#options = options;
    this.#docker = new DockerClient(host);
    this.#bridgeId = bridgeIdOf(dataDir);
    this.#sessions = join(dataDir, 'sessions');
    this.#cleanup = new Cleanup({
      docker: this.#docker,
      bridgeId: this.#bridgeId,
      sessions: this.#sessions,
      store,
    });
  }

  /** Removes what earlier processes left and begins to check Docker; resolves after the first check. */
  async start(): Promise<void> {
    await this.#check();
    const { status, detail } = this.#health;
    if (status !== 'ok') this.#options.logger.warn({ detail }, 'no task can run until Docker is available');
    this.#inBackground(this.#checkRepeatedly());
  }

  async open(task: Task, { emit, past }: RunContext): Promise<Run> {
    const { limits, agent, dataDir, envFiles = [], providers } = this.#options;
    const model = task.model ?? this.#options.model;
    const sessionId = conversationOf(task);
    const { id: taskId, agentId, directory } = task;
    await assertSeparateFromDataDir('directory', directory, dataDir);
    const hiddenFiles = await filesInside(directory, envFiles);
    const user = await containerUserFor(directory, task.ownsDirectory);
    if (user.uid === 0 && !past.some((event) => event.kind === 'warning' && event.code === AS_ROOT.code))
      emit(AS_ROOT);
    const folder = new SessionFolder(this.#sessions, sessionId);
    await folder.prepare(taskId, user);
    const earlierTasks = (await folder.tasks()).filter((id) => id !== taskId).sort();
    return new ContainerRun({
      sessionId,
      folder,
      container: {
        bridgeId: this.#bridgeId,
        taskId,
        agentId,
        directory,
        dataDir: folder.dataDir,
        hiddenFiles,
        user: `${user.uid}:${user.gid}`,
        model,
        agent: task.agent ?? agent,
        modelConfig: task.modelConfig,
      },
      limits,
      docker: this.#docker,
      providers: providers && (() => providers(taskId, model)),
      past,
      earlierPrompts: () => earlierTasks.flatMap((id) => this.#promptsOf(id)),
      emit,
      onClose: () => this.#inBackground(this.#cleanup.task(taskId)),
    });
  }

  get defaults(): { model?: string | undefined; agent?: string | undefined } {
    const { model, agent } = this.#options;
    return { model, agent };
  }

  async requireModelConfig(config: ModelConfig, target: ModelConfigTarget): Promise<void> {
    const { model, agent } = this.#options;
    requireModelConfig(config, { model: target.model ?? model, agent: target.agent ?? agent });
  }

  health(): DependencyHealth[] {
    return [this.#health];
  }

  resources(): Promise<RunnerResources> {
    return containerResources(this.#docker, this.#bridgeId);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#background);
  }

  #promptsOf(taskId: string): SentPrompt[] {
    return sentPrompts(this.#options.store.events(taskId, 0, Number.MAX_SAFE_INTEGER));
  }

  async #checkRepeatedly(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(INTERVAL_MS, undefined, { ref: false, signal }).catch(() => undefined);
      if (!signal.aborted) await this.#check();
    }
  }

  async #check(): Promise<void> {
    this.#health = await dockerHealth(this.#docker, this.#options.limits.image);
    await this.#cleanup.all().catch((thrown) => this.#onCleanupError(thrown));
  }

  /** The next check removes what this one could not. While Docker is down, `health` says so already. */
  #onCleanupError(thrown: unknown): void {
    if (this.#health.status === 'down' && toBridgeError(thrown).code === 'ENGINE_UNAVAILABLE') return;
    this.#options.logger.warn({ err: messageOf(thrown) }, 'old containers could not be removed');
  }

  /** Work that only `close` waits for. */
  #inBackground(work: Promise<void>): void {
    const done = work
      .catch((thrown) => this.#onCleanupError(thrown))
      .finally(() => this.#background.delete(done));
    this.#background.add(done);
  }
}

const AS_ROOT = {
  kind: 'warning',
  code: 'CONTAINER_AS_ROOT',
  message:
    'The folder belongs to root, so the container runs as root, without any capability. Change the owner of the folder to avoid that.',
} as const;
