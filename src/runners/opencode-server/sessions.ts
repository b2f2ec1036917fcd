import { relative, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Task } from '../../tasks/task.ts';
import { head } from '../../text.ts';
import { EDIT } from '../opencode-protocol/outside-edits.ts';
import { NO_EDITS, outsideRules, type PermissionRule } from '../opencode-protocol/outside-rules.ts';
import { SESSION_RULES } from '../opencode-protocol/session-rules.ts';
import type { OpenCodeApi } from './api.ts';
import type { Endpoint } from './endpoint.ts';
import { readTools, toolDenials } from './tools.ts';

const TITLE_LIMIT = 60;
/** Many sessions that start at once wait for each other. */
const TOOLS_TIMEOUT_MS = 120_000;

/** A session for a task. */
interface TaskSession {
  id: string;
  /** Sessions below it that belong to earlier tasks. */
  earlier: string[];
  /** Whether its rules make OpenCode ask before edits outside of the directory. */
  guarded: boolean;
}

/** Creates or finds the session of a task. */
export class Sessions {
  readonly #api: OpenCodeApi;
  readonly #asksOutside: boolean;
  readonly #endpoint: Endpoint;

  /** `asksOutside`: OpenCode asks before an edit outside of the task's folder. */
  constructor(api: OpenCodeApi, endpoint: Endpoint, asksOutside: boolean) {
    this.#api = api;
    this.#asksOutside = asksOutside;
    this.#endpoint = endpoint;
  }

  async of(task: Task, agent: Promise<string>): Promise<TaskSession> {
    const denials = await this.#denialsFor(task);
    // Without tools for edits there is no edit to ask about; rules that ask must not come after those that deny.
    const noEdits = denials.some(({ permission }) => permission === EDIT);
    const rules = noEdits ? [] : await this.#rulesFor(task, agent);
    const guarded = rules.length > 0;
    if (task.sessionId !== undefined) {
      const { id, permission = [] } = await this.#api.session(task.sessionId);
      const missing = missingRules(permission, rules, denials);
      if (missing.length > 0) await this.#api.addRules(id, missing);
      return { id, earlier: await this.#childrenBefore(id, task.promptId), guarded };
    }
    const title = head(task.description.replace(/\s+/g, ' ').trim(), TITLE_LIMIT);
    const metadata = { taskId: task.id, agentId: task.agentId };
    // The agent's own rules say that it may edit nothing; as a rule of the session, subagents would inherit it.
    const given = rules === NO_EDITS ? [] : rules;
    const { id } = await this.#api.createSession(task.directory, title, metadata, [...given, ...denials]);
    return { id, earlier: [], guarded };
  }

  async #denialsFor({ directory, modelConfig }: Task): Promise<PermissionRule[]> {
    const { enabled_tools: enabled } = modelConfig ?? {};
    if (enabled === undefined) return [];
    return toolDenials(enabled, await readTools(this.#endpoint, directory, TOOLS_TIMEOUT_MS));
  }

  async #rulesFor({ directory, ownsDirectory }: Task, agent: Promise<string>): Promise<PermissionRule[]> {
    if (!this.#asksOutside || ownsDirectory) return []; // a folder made by the bridge is its own repository
    const worktree = await this.#api.worktree(directory);
    const folder = relative(worktree, directory).split(sep).join('/');
    // For a folder in no repository OpenCode reports the root of the file system, and treats nothing as inside.
    if (worktree === '/' || folder === '') return [];
    return outsideRules(folder, await this.#api.rulesOf(directory, await agent));
  }

  /** The children that a session had before a prompt, by the server's clock; all, if the prompt was never sent. */
  async #childrenBefore(sessionId: string, promptId: string | undefined): Promise<string[]> {
    const children = await this.#api.children(sessionId);
    if (children.length === 0) return [];
    const [prompt] = promptId === undefined ? [] : await this.#api.messagesFrom(sessionId, promptId);
    const sentAt = prompt?.info.time.created ?? Number.POSITIVE_INFINITY;
    return children.filter(({ time }) => time.created < sentAt).map(({ id }) => id);
  }
}

/**
 * The rules that a session still needs. Rules are appended, and the last match counts: another agent has other rules
 * for edits. A session from an earlier version of the bridge has no rules.
 */
function missingRules(
  has: readonly PermissionRule[],
  edits: PermissionRule[],
  denials: readonly PermissionRule[],
): PermissionRule[] {
  const hasEdits = has.filter(({ permission }) => permission === EDIT);
  const given = isDeepStrictEqual(hasEdits.slice(-edits.length), edits);
  const needless = edits.length === 0 || given || (edits === NO_EDITS && hasEdits.length === 0);
  const general = [...denials, ...SESSION_RULES].filter((rule) => !isInForce(rule, has));
  return [...(needless ? [] : edits), ...general];
}

/** Whether the denial is among the rules, and no later rule for the same permission does anything but deny. */
function isInForce(denial: PermissionRule, rules: readonly PermissionRule[]): boolean {
  const at = rules.findLastIndex((rule) => isDeepStrictEqual(rule, denial));
  const later = rules.slice(at + 1).filter(({ permission }) => permission === denial.permission);
  return at >= 0 && later.every(({ action }) => action === 'deny');
}
