import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { tail } from '../../text.ts';
import { ENGINE_MEMORY } from '../opencode-protocol/engine-memory.ts';
import type { Shells } from '../shell/shells.ts';
import type { Endpoint } from './endpoint.ts';
import { MARK, watch } from './engine-watcher.ts';
import { freePort } from './free-port.ts';
import { handover, TAKEN } from './handover.ts';

const START_LIMIT_MS = 60_000;
/** SIGTERM can be swallowed while OpenCode installs a plugin, so SIGKILL follows. */
const TERM_LIMIT_MS = 3_000;
const FIRST_BACKOFF_MS = 250;
const LAST_BACKOFF_MS = 30_000;
const STEADY_MS = 60_000;

export interface EmbeddedServerOptions {
  binary: string;
  /** The whole environment of the server but for what is set here. */
  env: Readonly<Record<string, string | undefined>>;
  /** Where the server runs; no task works there. */
  cwd: string;
  /** `snapshot` of OpenCode's configuration: its own copies of every step, which cost most of its speed. */
  snapshot: boolean;
  /** Where the commands of tasks run; absent: where OpenCode itself does. */
  shells?: Shells | undefined;
  logger: Logger;
}

/** An `opencode serve` of our own on a loopback port, started again whenever it dies. */
export class EmbeddedServer {
  readonly endpoint: Endpoint;
  readonly #options: EmbeddedServerOptions;
  readonly #stop = new AbortController();
  readonly #supervision: Promise<void>;
  #listening = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #listeningPid: number | undefined;
  #lastError: string | undefined;
  /** Whether the engine takes its secrets by stdin; one that does not is started again with all in its environment. */
  #handsOver = true;

  private constructor(options: EmbeddedServerOptions, endpoint: Endpoint) {
    this.#options = options;
    this.endpoint = {
      ...endpoint,
      shells: options.shells,
      listening: () => this.listening(),
      problem: () => this.#lastError,
      process: {
        pid: () => this.#listeningPid,
        rss: () => rssOf(this.#listeningPid),
        restart: (signal) => this.#restart(signal),
      },
    };
    this.#supervision = this.#supervise();
  }

  /** Starts the server and returns before it listens. */
  static async start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
    const url = `http://127.0.0.1:${await freePort()}`;
    const password = randomBytes(24).toString('base64url');
    return new EmbeddedServer(options, { url, username: 'opencode', password });
  }

  /** Resolves once the server listens, be it for the first time or again. */
  listening(): Promise<void> {
    return this.#listening.promise;
  }

  /** The server's process id, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Ends the server: SIGTERM, then SIGKILL. Resolves when the process is gone. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#supervision;
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stop;
    const { logger } = this.#options;
    let backoff = FIRST_BACKOFF_MS;
    while (!signal.aborted) {
      const began = Date.now();
      const why = await this.#runOnce().catch(messageOf);
      if (signal.aborted) return;
      this.#lastError = why;
      if (Date.now() - began > STEADY_MS) backoff = FIRST_BACKOFF_MS;
      logger.error({ why, backoff }, 'the embedded OpenCode server ended; it is started again');
      await sleep(backoff, undefined, { signal }).catch(() => undefined);
      backoff = Math.min(backoff * 2, LAST_BACKOFF_MS);
    }
  }

  /** One life of the server; resolves with how it ended. */
  async #runOnce(): Promise<string> {
    const { binary, cwd, logger } = this.#options;
    const { port } = new URL(this.endpoint.url);
    const args = ['serve', '--hostname', '127.0.0.1', '--port', port];
    const mark = randomUUID();
    const { env, input } = this.#handover();
    // In a group of its own, so that Ctrl-C on the bridge leaves it running for the bridge to stop.
    const child = spawn(binary, args, {
      cwd,
      env: { ...env, [MARK]: mark },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    this.#child = child;
    const exit = exitOf(child);
    const sweep = watch(child, mark);
    const onStop = (): void => terminate(child);
    this.#stop.signal.addEventListener('abort', onStop);
    try {
      const tail = lastLines(child);
      const started = await Promise.race([listening(child, this.#handsOver), exit]);
      if (started === 'deaf') {
        this.#handsOver = false;
        logger.warn({ binary }, 'this OpenCode takes no secrets by stdin; its environment shows them');
        terminate(child);
      } else if (started === 'listening') {
        this.#lastError = undefined;
        this.#listeningPid = child.pid;
        this.#listening.resolve();
        logger.info({ pid: child.pid, url: this.endpoint.url }, 'the embedded OpenCode server listens');
      } else if (started === 'late') terminate(child);
      const ended = await exit;
      return `${started === 'late' ? `not listening after ${START_LIMIT_MS} ms, ` : ''}${ended} ${tail()}`.trim();
    } finally {
      this.#stop.signal.removeEventListener('abort', onStop);
      this.#child = undefined;
      this.#deaf();
      await sweep();
    }
  }

  #restart(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.#child || this.#listeningPid === undefined) return;
    this.#deaf();
    if (signal === 'SIGTERM') terminate(this.#child);
    else this.#child.kill('SIGKILL');
  }

  /** From now on whoever comes has to wait until the server listens again. */
  #deaf(): void {
    if (this.#listeningPid === undefined) return;
    this.#listeningPid = undefined;
    this.#listening = Promise.withResolvers();
  }

  #handover(): { env: Readonly<Record<string, string | undefined>>; input: string } {
    const env = this.#env();
    return this.#handsOver ? handover(env, randomBytes(24).toString('base64url')) : { env, input: '' };
  }

  #env(): Record<string, string | undefined> {
    const { env, snapshot, shells } = this.#options;
    const shell = shells?.path;
    const { username, password } = this.endpoint;
    return {
      ...ENGINE_MEMORY,
      ...env,
      OPENCODE_SERVER_USERNAME: username,
      OPENCODE_SERVER_PASSWORD: password,
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_CONFIG_CONTENT: configuration(
        env.OPENCODE_CONFIG_CONTENT,
        { snapshot, autoupdate: false },
        shell,
      ),
      ...(shell !== undefined && { SHELL: shell }),
    };
  }
}

/** The user's inline configuration with ours below it; the shell is set here, so that no project's file sets it. */
function configuration(content: string | undefined, defaults: object, shell: string | undefined): string {
  try {
    const given = content === undefined || content.trim() === '' ? {} : JSON.parse(content);
    return JSON.stringify({ ...defaults, ...given, ...(shell !== undefined && { shell }) });
  } catch (cause) {
    throw new BridgeError('INVALID_INPUT', 'OPENCODE_CONFIG_CONTENT is not JSON.', { cause });
  }
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ? `killed by ${signal}` : `exit code ${code}`));
  });
}

/**
 * The line on stdout is the only safe sign: a request sent before it is never answered. `deaf`: it listens, but
 * has not taken what it was to be handed.
 */
function listening(child: ChildProcess, handsOver: boolean): Promise<'listening' | 'deaf' | 'late'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('late'), START_LIMIT_MS);
    child.once('close', () => clearTimeout(timer));
    if (!child.stdout) return;
    let taken = !handsOver;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === TAKEN) taken = true;
      if (!line.includes('server listening on')) return;
      clearTimeout(timer);
      resolve(taken ? 'listening' : 'deaf');
    });
  });
}

function lastLines(child: ChildProcess): () => string {
  let last = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    last = tail(`${last}${chunk}`, 500);
  });
  return () => last.trim();
}

/** Bytes of memory of a process; 0 where that cannot be known (other systems than Linux). */
export async function rssOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

function terminate(child: ChildProcess): void {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), TERM_LIMIT_MS);
  child.once('close', () => clearTimeout(timer));
}
