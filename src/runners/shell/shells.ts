import { chmod, mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { ProcessLeft } from '../../tasks/events.ts';
import { isInside } from '../../workspaces/paths.ts';
import { removeTrees } from '../../workspaces/trash.ts';
import type { Connection } from '../runner.ts';
import { cacheVariables } from './caches.ts';
import { ConnectionOwners } from './connection-owners.ts';
import { describeSandbox, detectSandbox, type SandboxMode, type SandboxSupport } from './detect-sandbox.ts';
import type { SandboxRules } from './mounts.ts';
import { withVariable } from './processes.ts';
import { defaultShell } from './programs.ts';
import { withheldNames } from './secret-names.ts';
import { TaskShell } from './task-shell.ts';
import { killAll } from './termination.ts';
import { OWNER_VARIABLE, wrapperPath, wrapperScript } from './wrapper.ts';

/** So long after the last sandbox has ended, what its processes sent may still come in. */
const SETTLED_MS = 10_000;

export interface ShellsOptions extends SandboxRules {
  /** A folder of its own, which no task may reach; made where it is not there. */
  folder: string;
  sandbox: SandboxMode;
  /** Variables that commands get although their names look like secrets. */
  passthrough: readonly string[];
  /** Whether what a completed task has left running goes on with its conversation. */
  leftovers: 'end' | 'keep';
  logger: Logger;
}

/** The shells in which the commands of tasks run: one for each conversation, apart from the bridge and from each other. */
export class Shells {
  /** What OpenCode is to take for the shell. */
  readonly path: string;
  readonly sandbox: SandboxSupport;
  readonly #options: ShellsOptions;
  readonly #shells = new Map<string, TaskShell>();
  readonly #peers = new ConnectionOwners();
  #lastEnd = Number.NEGATIVE_INFINITY;

  private constructor(options: ShellsOptions, found: SandboxSupport, path: string) {
    this.#options = options;
    this.sandbox = found;
    this.path = path;
  }

  /** Throws where a sandbox is demanded and none works. The folder is this process's alone. */
  static async start(given: ShellsOptions): Promise<Shells> {
    await mkdir(given.folder, { recursive: true, mode: 0o700 });
    const options = { ...given, folder: await realpath(given.folder) };
    const { folder, env, passthrough, writable, logger } = options;
    await sweep(folder);
    const found = await detectSandbox(options.sandbox, env, folder);
    const shell = defaultShell(env);
    const path = wrapperPath(folder, shell);
    const withheld = withheldNames(env, passthrough);
    const variables = cacheVariables(env, '/tmp/.cache', writable);
    const sandbox = found.kind === 'bubblewrap' ? { ...found, variables } : undefined;
    await mkdir(join(folder, 'bin'), { recursive: true });
    await writeFile(path, wrapperScript({ folder, shell, withheld, ...(sandbox && { sandbox }) }));
    await chmod(path, 0o700);
    if (found.kind === 'environment')
      logger.warn({ why: found.why }, 'commands of tasks run without a sandbox');
    return new Shells(options, found, path);
  }

  /** In a few words, whether commands are kept in a sandbox. */
  get summary(): string {
    return describeSandbox(this.sandbox);
  }

  /** Makes the shell of a conversation ready for one more task of it. */
  async open(sessionId: string, directory: string): Promise<void> {
    if (!/^[A-Za-z0-9_-]+$/.test(sessionId)) {
      throw new BridgeError('ENGINE_ERROR', `OpenCode named a session ${JSON.stringify(sessionId)}.`);
    }
    await this.#shells.get(sessionId)?.ended;
    if (!this.#shells.has(sessionId)) this.#make(sessionId, directory);
  }

  /** Ends what a task has left running, unless the task is completed and it is to be kept; tells what a completed one left. */
  async settle(sessionId: string, completed: boolean): Promise<ProcessLeft[]> {
    const shell = this.#shells.get(sessionId);
    if (!completed) {
      await shell?.end();
      return [];
    }
    const left = (await shell?.processes()) ?? [];
    if (this.#options.leftovers === 'end' || left.length === 0) await shell?.end();
    return left;
  }

  /** Ends what tasks of the conversation left running, if anything. */
  async end(sessionId: string): Promise<void> {
    await this.#shells.get(sessionId)?.end();
  }

  /** The same for all tasks that worked in the directory or below. */
  async endInDirectory(directory: string): Promise<void> {
    const there = [...this.#shells.values()].filter((shell) => isInside(directory, shell.directory));
    await Promise.all(there.map((shell) => shell.end()));
  }

  /** Whether a connection within this machine may come from a command in a sandbox; never, where there is none. */
  async mayBeFromSandbox(connection: Connection): Promise<boolean> {
    const none = this.#shells.size === 0 && performance.now() - this.#lastEnd > SETTLED_MS;
    return this.sandbox.kind === 'bubblewrap' && !none && !(await this.#peers.isOutsideSandbox(connection));
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#shells.values()].map((shell) => shell.end()));
    await sweep(this.#options.folder);
  }

  #make(sessionId: string, directory: string): void {
    const { folder, logger } = this.#options;
    const shell = new TaskShell({
      sessionId,
      directory,
      folder,
      rules: this.#options,
      boundary: this.sandbox,
      logger,
      onEnd: () => {
        this.#lastEnd = performance.now();
        if (this.#shells.get(sessionId) === shell) this.#shells.delete(sessionId);
      },
    });
    this.#shells.set(sessionId, shell);
  }
}

/** Ends what an earlier process with this folder left, and removes its files. */
async function sweep(folder: string): Promise<void> {
  await killAll(withVariable(OWNER_VARIABLE, folder));
  await removeTrees([join(folder, 'sandboxes'), join(folder, 'tmp')], { PATH: '/usr/bin:/bin' });
}
