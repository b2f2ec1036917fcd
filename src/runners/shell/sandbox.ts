import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bubblewrapArguments } from './bubblewrap.ts';
import { waitUntilReady } from './bubblewrap-status.ts';
import type { Mount } from './mounts.ts';
import { inNamespace, isExiting, startTimeOf } from './processes.ts';
import { findRunning } from './termination.ts';
import { OWNER_VARIABLE } from './wrapper.ts';

const EXIT_TIMEOUT_MS = 5_000;
const POLL_MS = 20;

export interface SandboxOptions {
  bwrap: string;
  asRoot: boolean;
  mounts: readonly Mount[];
  /** The state file, by which the wrapper finds the sandbox. */
  state: string;
  /** The private folder of the bridge's shells; marks the process so that a later start can clean up. */
  owner: string;
  /** Called when it has ended, for whatever reason. */
  onExit: () => void;
}

/** A bubblewrap process with its own PID namespace, which runs until it is closed. */
export class Sandbox {
  /** The target of the link `/proc/<pid>/ns/pid` of every process in it. */
  readonly namespace: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #state: string;

  private constructor(
    child: ChildProcess,
    ended: Promise<void>,
    pid: number,
    namespace: number,
    state: string,
  ) {
    this.#child = child;
    this.#ended = ended;
    this.#state = state;
    this.pid = pid;
    this.namespace = `pid:[${namespace}]`;
  }

  static async start(options: SandboxOptions): Promise<Sandbox> {
    const { bwrap, asRoot, mounts, state, owner, onExit } = options;
    const child = spawn(bwrap, bubblewrapArguments(mounts, asRoot), {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', [OWNER_VARIABLE]: owner },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((resolve) => {
      child.once('error', () => resolve());
      child.once('close', () => resolve());
    });
    try {
      const { pid, namespace } = await waitUntilReady(child);
      await mkdir(dirname(state), { recursive: true, mode: 0o700 });
      await writeAtomically(state, `${pid} ${await startTimeOf(pid)}\n`);
      ended.then(onExit);
      return new Sandbox(child, ended, pid, namespace, state);
    } catch (thrown) {
      child.kill('SIGKILL');
      throw thrown;
    }
  }

  /** Kills every process in it; resolves when none runs any more. */
  async close(): Promise<void> {
    await rm(this.#state, { force: true });
    this.#child.kill('SIGKILL');
    await this.#ended;
    for (const deadline = Date.now() + EXIT_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      if (await this.#hasExited()) return;
    }
  }

  /**
   * The first process of the namespace dies with bubblewrap, and all others die with that one. The namespace itself
   * remains until the machine's init has reaped them, which may take a while, so this looks at the processes instead.
   */
  async #hasExited(): Promise<boolean> {
    return (await isExiting(this.pid)) && (await findRunning(inNamespace(this.namespace))).length === 0;
  }
}

/** Writes into the state file why the sandbox could not be started. */
export async function writeFailure(state: string, reason: string): Promise<void> {
  await mkdir(dirname(state), { recursive: true, mode: 0o700 });
  await writeAtomically(state, `failed ${reason.replace(/\s+/g, ' ')}\n`);
}

async function writeAtomically(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
