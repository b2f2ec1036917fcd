import { chmod, mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { ProcessLeft } from '../../tasks/events.ts';
import { isInside, realpathAllowMissing } from '../../workspaces/paths.ts';
import { removeTrees } from '../../workspaces/trash.ts';
import type { Connection } from '../runner.ts';
import { cacheVariables } from './caches.ts';
import { ConnectionOwners } from './connection-owners.ts';
import { describeSandbox, detectSandbox, type SandboxMode, type SandboxSupport } from './detect-sandbox.ts';
import { engineFolders, type SandboxRules } from './mounts.ts';
import { withVariable } from './processes.ts';
import { defaultShell } from './programs.ts';
import { SandboxViews } from './sandbox-views.ts';
import { withheldNames } from './secret-names.ts';
import { TaskShell } from './task-shell.ts';
import { killAll } from './termination.ts';
import { OWNER_VARIABLE, wrapperPath, wrapperScript } from './wrapper.ts';

/** A connection from a sandbox can still arrive this long after the sandbox has ended. */
const LATE_CONNECTION_MS = 10_000;

export interface ShellsOptions extends SandboxRules {
  /** A private folder, which no task may reach; created where needed. */
  folder: string;
  sandbox: SandboxMode;
  /** Variables that commands get although their names look secret. */
  passthrough: readonly string[];
  /** Whether processes that a completed task left running live as long as its conversation. */
  leftovers: 'end' | 'keep';
  logger: Logger;
}

/** The shells that run the commands of tasks: one for each conversation, isolated from the bridge and from each other. */
export class Shells {
  /** The program that OpenCode uses as its shell. */
  readonly path: string;
  readonly sandbox: SandboxSupport;
  readonly #options: ShellsOptions;
  readonly #shells = new Map<string, TaskShell>();
  readonly #connectionOwners = new ConnectionOwners();
  readonly #views: SandboxViews;
  /** The folders below which the folders of tasks lie. */
  readonly #areas: string[];
  #lastEnd = Number.NEGATIVE_INFINITY;

  private constructor(options: ShellsOptions, support: SandboxSupport, path: string, areas: string[]) {
    this.#options = options;
    this.sandbox = support;
    this.path = path;
    this.#areas = areas;
    this.#views = new SandboxViews(join(options.folder, 'views.json'));
  }

  /** Throws where a sandbox is required and does not work. No other process may use the folder. */
  static async start(given: ShellsOptions): Promise<Shells> {
    await mkdir(given.folder, { recursive: true, mode: 0o700 });
    const options = { ...given, folder: await realpath(given.folder) };
    const areas = await Promise.all([given.workspaceDir, ...given.roots].map(realpathAllowMissing));
    const { folder, env, passthrough, writable, logger } = options;
    await removeLeftovers(folder);
    const support = await detectSandbox(options.sandbox, env, folder);
    const shell = defaultShell(env);
    const path = wrapperPath(folder, shell);
    const withheld = withheldNames(env, passthrough);
    const variables = cacheVariables(env, '/tmp/.cache', writable);
    const sandbox = support.kind === 'bubblewrap' ? { ...support, variables } : undefined;
    await mkdir(join(folder, 'bin'), { recursive: true });
    await writeFile(path, wrapperScript({ folder, shell, withheld, ...(sandbox && { sandbox }) }));
    await chmod(path, 0o700);
    if (support.kind === 'none')
      logger.warn({ reason: support.reason }, 'commands of tasks run without a sandbox');
    return new Shells(options, support, path, areas);
  }

  /** For OpenCode: how its own tools see no more than commands. Undefined where commands have no sandbox. */
  get files(): { views: string; areas: string[]; own: string[] } | undefined {
    if (this.sandbox.kind === 'none') return undefined;
    return { views: this.#views.file, areas: this.#areas, own: engineFolders(this.#options.env) };
  }

  /** For health: whether commands run in a sandbox. */
  get summary(): string {
    return describeSandbox(this.sandbox);
  }

  /** Prepares the shell of a conversation for its next task. */
  async open(sessionId: string, directory: string): Promise<void> {
    if (!/^[A-Za-z0-9_-]+$/.test(sessionId)) {
      throw new BridgeError(
        'ENGINE_ERROR',
        `OpenCode uses the unexpected session id ${JSON.stringify(sessionId)}.`,
      );
    }
    await this.#shells.get(sessionId)?.ended;
    const shell = this.#shells.get(sessionId) ?? this.#create(sessionId, directory);
    try {
      await shell.ready;
    } catch (thrown) {
      // Otherwise the next task of the conversation would get the same error.
      await shell.end();
      throw thrown;
    }
  }

  /**
   * Ends the processes that a task has left running, except those of a completed task where `leftovers` is `keep`.
   * Returns those of a completed task.
   */
  async settle(sessionId: string, completed: boolean): Promise<ProcessLeft[]> {
    const shell = this.#shells.get(sessionId);
    if (!completed) {
      await shell?.end();
      return [];
    }
    const leftover = (await shell?.processes()) ?? [];
    if (this.#options.leftovers === 'end' || leftover.length === 0) await shell?.end();
    return leftover;
  }

  /** Ends all processes of the conversation. */
  async end(sessionId: string): Promise<void> {
    await this.#shells.get(sessionId)?.end();
  }

  /** Ends all processes of the conversations that work in the directory or below. */
  async endInDirectory(directory: string): Promise<void> {
    const shells = [...this.#shells.values()].filter((shell) => isInside(directory, shell.directory));
    await Promise.all(shells.map((shell) => shell.end()));
  }

  /**
   * Whether a connection within this machine may come from a command in a sandbox, or from `engine`, the process of
   * OpenCode. False where there is no sandbox.
   */
  async mayBeOfTask(connection: Connection, engine: number | undefined): Promise<boolean> {
    const noneOpen = this.#shells.size === 0 && performance.now() - this.#lastEnd > LATE_CONNECTION_MS;
    return (
      this.sandbox.kind === 'bubblewrap' &&
      !noneOpen &&
      !(await this.#connectionOwners.isOutside(connection, engine))
    );
  }

  /** Ends all processes of all conversations. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#shells.values()].map((shell) => shell.end()));
    await removeLeftovers(this.#options.folder);
  }

  #create(sessionId: string, directory: string): TaskShell {
    const { folder, logger } = this.#options;
    const shell = new TaskShell({
      sessionId,
      directory,
      folder,
      rules: this.#options,
      views: this.#views,
      support: this.sandbox,
      logger,
      onEnd: () => {
        this.#lastEnd = performance.now();
        if (this.#shells.get(sessionId) === shell) this.#shells.delete(sessionId);
      },
    });
    this.#shells.set(sessionId, shell);
    return shell;
  }
}

/** Kills the processes that an earlier bridge process with this folder left, and removes its files. */
async function removeLeftovers(folder: string): Promise<void> {
  await killAll(withVariable(OWNER_VARIABLE, folder));
  await removeTrees([join(folder, 'sandboxes'), join(folder, 'tmp')], { PATH: '/usr/bin:/bin' });
}
