import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { ProcessLeft } from '../../tasks/events.ts';
import { removeTrees } from '../../workspaces/trash.ts';
import type { SandboxSupport } from './detect-sandbox.ts';
import { describeProcesses } from './leftover-processes.ts';
import { type Mount, mountsFor, type SandboxRules } from './mounts.ts';
import { findProcesses, inNamespace, type ProcessMatcher, withVariable } from './processes.ts';
import { Sandbox, writeFailure } from './sandbox.ts';
import type { SandboxViews } from './sandbox-views.ts';
import { killAll, terminate } from './termination.ts';
import { SESSION_VARIABLE, statePath } from './wrapper.ts';

/** A sandbox that its own commands keep killing is restarted at most so often. */
const MAX_STARTS = 20;

export interface TaskShellOptions {
  sessionId: string;
  directory: string;
  /** The private folder of all shells. */
  folder: string;
  rules: SandboxRules;
  views: SandboxViews;
  support: SandboxSupport;
  logger: Logger;
  onEnd: () => void;
}

/**
 * Runs the commands of one conversation, and ends what they have started. Where sandboxes work:
 *
 *     starting → running → ending → ended
 *        ↑________|
 *
 * - A sandbox that ends by itself (a command killed it) is started again, at most MAX_STARTS times.
 * - Where it cannot be started, the state file has the reason, with which the wrapper refuses each command.
 * - `end` is final: nothing is started again, and `onEnd` is called when no process is left.
 */
export class TaskShell {
  /** Resolves when OpenCode's file tools know what commands see. */
  readonly ready: Promise<void>;
  readonly #options: TaskShellOptions;
  readonly #state: string;
  readonly #tmp: string;
  readonly #mounts: Promise<Mount[]>;
  #sandbox: Promise<Sandbox | undefined> = Promise.resolve(undefined);
  #starts = 0;
  #ending: Promise<void> | undefined;

  constructor(options: TaskShellOptions) {
    const { folder, sessionId, rules, directory, support } = options;
    this.#options = options;
    this.#state = statePath(folder, sessionId);
    this.#tmp = join(folder, 'tmp', sessionId);
    this.#mounts = support.kind === 'none' ? Promise.resolve([]) : mountsFor(rules, directory, this.#tmp);
    this.ready = this.#announce();
    this.ready.catch(() => undefined);
    this.#start();
  }

  /** Tells the file tools of OpenCode what commands see. */
  async #announce(): Promise<void> {
    const { support, views, sessionId, directory } = this.#options;
    if (support.kind === 'bubblewrap') await views.add(sessionId, directory, await this.#mounts);
  }

  get directory(): string {
    return this.#options.directory;
  }

  /** Resolves when `end` is done; undefined where it was not called. */
  get ended(): Promise<void> | undefined {
    return this.#ending?.catch(() => undefined);
  }

  /** The processes that commands have started and that still run. */
  async processes(): Promise<ProcessLeft[]> {
    const pids = await findProcesses(await this.#matcher());
    return pids.length === 0 ? [] : describeProcesses(pids);
  }

  /** Ends every process that commands have started; rejects where one cannot be ended. */
  end(): Promise<void> {
    this.#ending ??= this.#end().finally(() => this.#options.onEnd());
    return this.#ending;
  }

  async #end(): Promise<void> {
    const matcher = await this.#matcher();
    const pids = await findProcesses(matcher);
    if (pids.length > 0) await terminate(pids, matcher);
    const sandbox = await this.#sandbox;
    await sandbox?.close();
    const remaining = sandbox ? 0 : await killAll(matcher);
    if (remaining > 0)
      throw new BridgeError('INTERNAL', `${remaining} processes of the task could not be ended.`);
    await this.#options.views.remove(this.#options.sessionId);
    await removeTrees([this.#state, this.#tmp], { PATH: '/usr/bin:/bin' });
  }

  async #matcher(): Promise<ProcessMatcher> {
    const sandbox = await this.#sandbox;
    return sandbox ? inNamespace(sandbox.namespace) : withVariable(SESSION_VARIABLE, this.#options.sessionId);
  }

  /** Commands wait for the sandbox, or for the reason why there is none. */
  #start(): void {
    const { support, logger, sessionId } = this.#options;
    if (support.kind !== 'bubblewrap' || this.#ending) return;
    this.#starts++;
    this.#sandbox = this.#launch(support).catch(async (thrown) => {
      logger.error({ sessionId, err: messageOf(thrown) }, 'the sandbox of a task could not be started');
      await writeFailure(this.#state, messageOf(thrown));
      return undefined;
    });
  }

  async #launch({ programs: { bwrap }, asRoot }: SandboxSupport & { kind: 'bubblewrap' }): Promise<Sandbox> {
    const { folder } = this.#options;
    await mkdir(this.#tmp, { recursive: true, mode: 0o700 });
    await chmod(this.#tmp, 0o1777);
    if (this.#starts > MAX_STARTS) throw new Error('its commands killed it too often');
    const mounts = await this.#mounts;
    const onExit = (): void => this.#start();
    return Sandbox.start({ bwrap, asRoot, mounts, state: this.#state, owner: folder, onExit });
  }
}
