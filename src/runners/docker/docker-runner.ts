import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, quote, toBridgeError } from '../../errors.ts';
import type { DependencyHealth } from '../../health.ts';
import type { Logger } from '../../logger.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import type { Run, RunContext, Runner, TaskReader } from '../runner.ts';
import { type SentPrompt, sentPrompts } from '../sent-prompts.ts';
import { ContainerRun } from './container-run.ts';
import { type ContainerLimits, LABELS } from './container-spec.ts';
import { assertSeparateFromDataDir, filesInside } from './data-dir-guard.ts';
import { buildCommand, DockerClient } from './docker-client.ts';
import { containerUserFor, SessionFolder } from './session-folder.ts';

const ROUND_MS = 30_000;
const CONVERSATION = 'docker-';

export interface DockerRunnerOptions {
  /** Where the engine listens. */
  host: string;
  limits: ContainerLimits;
  /** `provider/model` for tasks that name none; absent: what OpenCode is configured for. */
  model?: string | undefined;
  agent?: string | undefined;
  dataDir: string;
  /** Files that no container may see. */
  envFiles?: readonly string[] | undefined;
  /** Tells which tasks there are. */
  store: TaskReader;
  logger: Logger;
}

/** Runs tasks in Docker containers, one for each turn; knows its own by a label. */
export class DockerRunner implements Runner {
  readonly name = 'docker';
  readonly #options: DockerRunnerOptions;
  readonly #engine: DockerClient;
  readonly #bridgeId: string;
  readonly #sessions: string;
  readonly #stop = new AbortController();
  readonly #background = new Set<Promise<void>>();
  #health: DependencyHealth = { name: 'docker', status: 'down', detail: 'not asked yet' };

  constructor(options: DockerRunnerOptions) {
    this.#options = options;
    this.#engine = new DockerClient(options.host);
    this.#bridgeId = bridgeIdOf(options.dataDir);
    this.#sessions = join(options.dataDir, 'sessions');
  }

  /** Removes what earlier processes left, and begins to watch the engine; resolves after the first round. */
  async start(): Promise<void> {
    await this.#round();
    const { status, detail } = this.#health;
    if (status !== 'ok') this.#options.logger.warn({ detail }, 'no task can run until Docker is there');
    this.#spawn(this.#rounds());
  }

  async open(task: Task, { emit, past }: RunContext): Promise<Run> {
    const { limits, model, agent } = this.#options;
    const sessionId = conversationOf(task);
    const { id: taskId, agentId, directory } = task;
    await assertSeparateFromDataDir('directory', directory, this.#options.dataDir);
    const hiddenFiles = await filesInside(directory, this.#options.envFiles ?? []);
    const owner = await containerUserFor(directory, task.ownsDirectory);
    if (owner.uid === 0 && !past.some((event) => event.kind === 'warning' && event.code === AS_ROOT.code))
      emit(AS_ROOT);
    const folder = new SessionFolder(this.#sessions, sessionId);
    await folder.prepare(taskId, owner);
    const tasks = (await folder.tasks()).filter((id) => id !== taskId).sort();
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
        user: `${owner.uid}:${owner.gid}`,
        model: task.model ?? model,
        agent: task.agent ?? agent,
      },
      limits,
      docker: this.#engine,
      past,
      earlierPrompts: () => tasks.flatMap((id) => this.#said(id)),
      emit,
      onClose: () => this.#spawn(this.#clear(taskId)),
    });
  }

  health(): DependencyHealth[] {
    return [this.#health];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#background);
  }

  #said(taskId: string): SentPrompt[] {
    return sentPrompts(this.#options.store.events(taskId, 0, Number.MAX_SAFE_INTEGER));
  }

  /** Removes the containers of a task that has ended; one that is only let go of is taken up by the next process. */
  async #clear(taskId: string): Promise<void> {
    if (this.#isLive(taskId)) return;
    const labels = { [LABELS.bridge]: this.#bridgeId, [LABELS.task]: taskId };
    for (const { name } of await this.#engine.list(labels)) await this.#engine.remove(name);
  }

  async #rounds(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(ROUND_MS, undefined, { ref: false, signal }).catch(() => undefined);
      if (!signal.aborted) await this.#round();
    }
  }

  async #round(): Promise<void> {
    this.#health = await healthOf(this.#engine, this.#options.limits.image);
    await this.#tidy().catch((thrown) => this.#warn(thrown));
  }

  /** Of this bridge only: containers of tasks that have ended or are unknown, and sessions whose tasks are gone. */
  async #tidy(): Promise<void> {
    for (const { name, labels } of await this.#engine.list({ [LABELS.bridge]: this.#bridgeId })) {
      if (!this.#isLive(labels[LABELS.task] ?? '')) await this.#engine.remove(name);
    }
    const { store } = this.#options;
    for (const conversation of await readdir(this.#sessions).catch(() => [])) {
      const folder = new SessionFolder(this.#sessions, conversation);
      const tasks = [conversation.replace(CONVERSATION, ''), ...(await folder.tasks())];
      // Asked in one go with the removal: the folder of a task that has just begun does not name it yet.
      const inUse = store.unfinished().some((task) => conversationOf(task) === conversation);
      if (inUse || tasks.some((taskId) => store.get(taskId))) continue;
      await rm(folder.path, { recursive: true, force: true });
    }
  }

  #isLive(taskId: string): boolean {
    const task = this.#options.store.get(taskId);
    return task !== undefined && !isEnd(task.status);
  }

  /** What is left behind now is removed in a later round. */
  #warn(thrown: unknown): void {
    if (this.#health.status === 'down' && toBridgeError(thrown).code === 'ENGINE_UNAVAILABLE') return;
    this.#options.logger.warn({ err: messageOf(thrown) }, 'old containers could not be removed');
  }

  /** Work that nobody waits for but `close`. */
  #spawn(work: Promise<void>): void {
    const done = work.catch((thrown) => this.#warn(thrown)).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }
}

/** What a task's session is called; its own until a prompt is on record. */
function conversationOf({ id, sessionId }: Task): string {
  return sessionId ?? `${CONVERSATION}${id}`;
}

/** How the engine is, and whether it has the image. */
async function healthOf(engine: DockerClient, image: string): Promise<DependencyHealth> {
  const name = 'docker';
  try {
    const { version, apiVersion } = await engine.info();
    const detail = `version ${version}, API ${apiVersion}`;
    if (await engine.hasImage(image)) return { name, status: 'ok', detail: `${detail}, image ${image}` };
    return { name, status: 'down', detail: `${detail}; no image ${quote(image)}: ${buildCommand(image)}` };
  } catch (thrown) {
    return { name, status: 'down', detail: messageOf(thrown) };
  }
}

/** The same for every process that works on this DATA_DIR. */
function bridgeIdOf(dataDir: string): string {
  const path = join(dataDir, 'bridge-id');
  if (!existsSync(path)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(path, randomUUID());
  }
  return readFileSync(path, 'utf8').trim();
}

const AS_ROOT = {
  kind: 'warning',
  code: 'CONTAINER_AS_ROOT',
  message:
    'The folder belongs to root, so the container works in it as root, without any capability. Give the folder to another user to avoid that.',
} as const;
