import { relative, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Task } from '../../tasks/task.ts';
import { head } from '../../text.ts';
import type { OpenCodeApi } from './api.ts';
import { NO_EDITS, outsideRules, type PermissionRule } from './outside-rules.ts';

const TITLE_LIMIT = 60;

/** Makes or finds the session of a task. */
export class Sessions {
  readonly #api: OpenCodeApi;
  readonly #guarded: boolean;

  /** `guarded`: what is edited outside of the task's folder is to be asked for. */
  constructor(api: OpenCodeApi, guarded: boolean) {
    this.#api = api;
    this.#guarded = guarded;
  }

  /** `earlier`: sessions below it that belong to tasks before. */
  async of(task: Task, agent: Promise<string>): Promise<{ id: string; earlier: string[] }> {
    const rules = await this.#rulesFor(task, agent);
    if (task.sessionId !== undefined) {
      const { id, permission = [] } = await this.#api.session(task.sessionId);
      // They are added to those that it has, and the later ones count: another agent has other rules.
      const has = isDeepStrictEqual(permission.slice(-rules.length), rules);
      if (rules.length > 0 && !has && !(rules === NO_EDITS && permission.length === 0))
        await this.#api.addRules(id, rules);
      return { id, earlier: await this.#childrenBefore(id, task.promptId) };
    }
    const title = head(task.description.replace(/\s+/g, ' ').trim(), TITLE_LIMIT);
    const metadata = { taskId: task.id, agentId: task.agentId };
    const { id } = await this.#api.createSession(
      task.directory,
      title,
      metadata,
      rules === NO_EDITS ? [] : rules, // the agent's own rules say so; subagents would have it from the session
    );
    return { id, earlier: [] };
  }

  async #rulesFor({ directory, ownsDirectory }: Task, agent: Promise<string>): Promise<PermissionRule[]> {
    if (!this.#guarded || ownsDirectory) return []; // a folder of ours is a repository of its own
    const worktree = await this.#api.worktree(directory);
    const folder = relative(worktree, directory).split(sep).join('/');
    // Of a folder in no repository OpenCode takes the root of all files for its own, and nothing there for inside.
    if (worktree === '/' || folder === '') return [];
    return outsideRules(folder, await this.#api.rulesOf(directory, await agent));
  }

  /** The children that a session had before a prompt, by the server's own clock; all, where it was never sent. */
  async #childrenBefore(sessionId: string, promptId: string | undefined): Promise<string[]> {
    const children = await this.#api.children(sessionId);
    if (children.length === 0) return [];
    const [prompt] = promptId === undefined ? [] : await this.#api.messagesFrom(sessionId, promptId);
    const began = prompt?.info.time.created ?? Number.POSITIVE_INFINITY;
    return children.filter(({ time }) => time.created < began).map(({ id }) => id);
  }
}
