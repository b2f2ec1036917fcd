import { readdir, rm } from 'node:fs/promises';
import { isEnd, type Task } from '../../tasks/task.ts';
import type { TaskReader } from '../runner.ts';
import { LABELS } from './container-spec.ts';
import type { DockerClient } from './docker-client.ts';
import { SessionFolder } from './session-folder.ts';

const CONVERSATION_PREFIX = 'docker-';

export interface CleanupOptions {
  docker: DockerClient;
  bridgeId: string;
  /** The folder that holds the session folders. */
  sessions: string;
  store: TaskReader;
}

/** Removes containers and sessions of this bridge that no task needs any more. */
export class Cleanup {
  readonly #options: CleanupOptions;

  constructor(options: CleanupOptions) {
    this.#options = options;
  }

  /** Removes all containers whose tasks have ended or are unknown, and all sessions whose tasks are gone. */
  async all(): Promise<void> {
    const { docker, bridgeId } = this.#options;
    for (const { name, labels } of await docker.list({ [LABELS.bridge]: bridgeId })) {
      if (!this.#isLive(labels[LABELS.task] ?? '')) await docker.remove(name);
    }
    await this.#sessions();
  }

  /** Removes the containers of a task that has ended. One that has not needs them: the next process continues it. */
  async task(taskId: string): Promise<void> {
    const { docker, bridgeId } = this.#options;
    if (this.#isLive(taskId)) return;
    const labels = { [LABELS.bridge]: bridgeId, [LABELS.task]: taskId };
    for (const { name } of await docker.list(labels)) await docker.remove(name);
  }

  async #sessions(): Promise<void> {
    const { sessions, store } = this.#options;
    for (const conversation of await readdir(sessions).catch(() => [])) {
      const folder = new SessionFolder(sessions, conversation);
      const tasks = [conversation.replace(CONVERSATION_PREFIX, ''), ...(await folder.tasks())];
      // Nothing may be awaited between this check and the removal: the folder of a task that has just begun does not
      // list it yet.
      const inUse = store.unfinished().some((task) => conversationOf(task) === conversation);
      if (inUse || tasks.some((taskId) => store.get(taskId))) continue;
      await rm(folder.path, { recursive: true, force: true });
    }
  }

  #isLive(taskId: string): boolean {
    const task = this.#options.store.get(taskId);
    return task !== undefined && !isEnd(task.status);
  }
}

/** The name of a task's conversation: its recorded session, or one of its own before the first prompt. */
export function conversationOf({ id, sessionId }: Task): string {
  return sessionId ?? `${CONVERSATION_PREFIX}${id}`;
}
