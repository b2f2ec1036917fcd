import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { BridgeError } from '../../errors.ts';
import { bubblewrapArguments } from './bubblewrap.ts';
import type { Mount } from './mounts.ts';
import { inNamespace, isExiting, startTimeOf } from './processes.ts';
import { findRunning } from './termination.ts';
import { OWNER_VARIABLE } from './wrapper.ts';

const START_LIMIT_MS = 10_000;
const GONE_LIMIT_MS = 5_000;
const POLL_MS = 20;
const statusSchema = z.object({ 'child-pid': z.number().int(), 'pid-namespace': z.number().int() });

export interface SandboxOptions {
  bwrap: string;
  asRoot: boolean;
  mounts: readonly Mount[];
  /** File in which the wrapper finds it. */
  state: string;
  owner: string;
  /** Called when it has ended by itself. */
  onExit: () => void;
}

/** One bubblewrap that stays until it is closed, with a namespace of processes of its own. */
export class Sandbox {
  /** As the link `/proc/<pid>/ns/pid` of every process in it reads. */
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
      const { pid, namespace } = await ready(child);
      await mkdir(dirname(state), { recursive: true, mode: 0o700 });
      await replace(state, `${pid} ${await startTimeOf(pid)}\n`);
      ended.then(onExit);
      return new Sandbox(child, ended, pid, namespace, state);
    } catch (thrown) {
      child.kill('SIGKILL');
      throw thrown;
    }
  }

  /** Ends every process in it; resolves when none runs any more. */
  async close(): Promise<void> {
    await rm(this.#state, { force: true });
    this.#child.kill('SIGKILL');
    await this.#ended;
    for (const deadline = Date.now() + GONE_LIMIT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      if (await this.#isOver()) return;
    }
  }

  /**
   * Its child, the first process of the namespace, dies with it, and all there with that one. It is gone only when all
   * have been collected, which the machine's init may leave for a while.
   */
  async #isOver(): Promise<boolean> {
    return (await isExiting(this.pid)) && (await findRunning(inNamespace(this.namespace))).length === 0;
  }
}

/** Notes in place of a sandbox why there is none. */
export async function writeFailure(state: string, why: string): Promise<void> {
  await mkdir(dirname(state), { recursive: true, mode: 0o700 });
  await replace(state, `failed ${why.replace(/\s+/g, ' ')}\n`);
}

async function replace(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Resolves when all is mounted. */
function ready(child: ChildProcess): Promise<{ pid: number; namespace: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ pid: number; namespace: number }>();
  let status = '';
  let said = '';
  let mounted = false;
  const timer = setTimeout(() => reject(failure(`not ready after ${START_LIMIT_MS} ms`)), START_LIMIT_MS);
  promise.finally(() => clearTimeout(timer)).catch(() => undefined);
  const look = (): void => {
    const parsed = statusSchema.safeParse(jsonOf(status.split('\n')[0] ?? ''));
    if (!mounted || !parsed.success) return;
    resolve({ pid: parsed.data['child-pid'], namespace: parsed.data['pid-namespace'] });
  };
  (child.stdio[3] as Readable).on('data', (chunk) => {
    status += chunk;
    look();
  });
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-500);
  });
  child.stdin?.on('error', () => undefined);
  child.stdout?.on('data', () => {
    mounted = true;
    look();
  });
  child.once('error', (cause) => reject(failure(cause.message)));
  child.once('close', (code, signal) => reject(failure(said.trim() || `it ended with ${signal ?? code}`)));
  return promise;
}

function failure(why: string): BridgeError {
  return new BridgeError('ENGINE_UNAVAILABLE', `bubblewrap: ${why}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
