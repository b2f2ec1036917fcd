import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { ENGINE_MEMORY, ENGINE_START } from '../opencode-protocol/engine-runtime.ts';
import { directly, type ProviderAccess, withProviders } from '../opencode-protocol/provider-blocks.ts';
import type { Shells } from '../shell/shells.ts';
import type { Endpoint } from './endpoint.ts';
import { exitOf, lastLines, terminate } from './engine-child.ts';
import { engineConfiguration } from './engine-configuration.ts';
import { type EngineInput, passSecrets, SECRETS_READ } from './engine-secrets.ts';
import { ENGINE_MARK, startWatcher } from './engine-watcher.ts';
import { freePort } from './free-port.ts';
import { resourcesOf, rssOf } from './process-memory.ts';

const START_LIMIT_MS = 60_000;
const FIRST_BACKOFF_MS = 250;
const LAST_BACKOFF_MS = 30_000;
const STEADY_MS = 60_000;

export interface EmbeddedServerOptions {
  binary: string;
  /** The environment of the server; the variables that are set here are added. */
  env: Readonly<Record<string, string | undefined>>;
  /** The server's working directory; no task works there. */
  cwd: string;
  /** `snapshot` of OpenCode's configuration: it then copies the folder at every step, which is slow. */
  snapshot: boolean;
  /** The providers of models, read at each start. */
  providers?: (() => Promise<ProviderAccess>) | undefined;
  /** Where the commands of tasks run; absent: where OpenCode itself runs. */
  shells?: Shells | undefined;
  logger: Logger;
}

/** An `opencode serve` that the bridge starts on a loopback port, and restarts whenever it ends. */
export class EmbeddedServer {
  readonly endpoint: Endpoint;
  readonly #options: EmbeddedServerOptions;
  readonly #stop = new AbortController();
  readonly #supervision: Promise<void>;
  #listening = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #listeningPid: number | undefined;
  #lastError: string | undefined;
  #starts = 0;
  /** Whether the engine reads its secrets from stdin; one that does not is restarted with all in its environment. */
  #secretsByStdin = true;
  /** The providers that the present process was started with. */
  #providers: ProviderAccess = { blocks: {} };

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
        resources: () => resourcesOf(this.#listeningPid, this.#starts),
        restart: (signal) => this.#restart(signal),
        outdated: () => this.#outdated(),
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

  /** Resolves once the server listens, for the first time or after a restart. */
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

  /** Runs the server until it ends; resolves with how it ended. */
  async #runOnce(): Promise<string> {
    const { binary, cwd, logger } = this.#options;
    const { port } = new URL(this.endpoint.url);
    const args = ['serve', '--hostname', '127.0.0.1', '--port', port];
    const mark = randomUUID();
    if (this.#options.providers) this.#providers = await this.#options.providers();
    // Nothing listens to the signal yet.
    if (this.#stop.signal.aborted) return 'stopped';
    const { env, stdin } = this.#input();
    // In its own process group, so that Ctrl-C reaches only the bridge, which then stops the server.
    const child = spawn(binary, args, {
      cwd,
      env: { ...env, [ENGINE_MARK]: mark },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#starts += 1;
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    this.#child = child;
    const exit = exitOf(child);
    const killLeftovers = startWatcher(child, mark);
    const onStop = (): void => terminate(child);
    this.#stop.signal.addEventListener('abort', onStop);
    try {
      const tail = lastLines(child);
      const started = await Promise.race([listening(child, this.#secretsByStdin), exit]);
      if (started === 'secrets unread') {
        this.#secretsByStdin = false;
        logger.warn(
          { binary },
          'this OpenCode does not read its secrets from stdin; its environment shows them',
        );
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
      this.#resetListening();
      await killLeftovers();
    }
  }

  async #outdated(): Promise<boolean> {
    const now = await this.#options.providers?.();
    return now !== undefined && !isDeepStrictEqual(now, this.#providers);
  }

  #restart(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.#child || this.#listeningPid === undefined) return;
    this.#resetListening();
    if (signal === 'SIGTERM') terminate(this.#child);
    else this.#child.kill('SIGKILL');
  }

  /** From now on `listening()` waits until the server listens again. */
  #resetListening(): void {
    if (this.#listeningPid === undefined) return;
    this.#listeningPid = undefined;
    this.#listening = Promise.withResolvers();
  }

  #input(): EngineInput {
    const env = this.#env();
    if (!this.#secretsByStdin) return { env: { ...ENGINE_MEMORY, ...env }, stdin: '' };
    const runtime = { ...ENGINE_MEMORY, ...ENGINE_START };
    const decoy = randomBytes(24).toString('base64url');
    return passSecrets(env, { runtime, decoy, files: this.#options.shells?.files });
  }

  #env(): Record<string, string | undefined> {
    const { env, snapshot, shells } = this.#options;
    const shell = shells?.path;
    const { username, password } = this.endpoint;
    return {
      ...directly(env, this.#providers.proxyHost),
      OPENCODE_SERVER_USERNAME: username,
      OPENCODE_SERVER_PASSWORD: password,
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_CONFIG_CONTENT: engineConfiguration(
        withProviders(env.OPENCODE_CONFIG_CONTENT, this.#providers.blocks),
        { snapshot, autoupdate: false },
        shell,
      ),
      ...(shell !== undefined && { SHELL: shell }),
    };
  }
}

/**
 * Resolves at the line on stdout: a request sent before that is never answered. `secrets unread`: the engine
 * listens, but has not read its secrets. `late`: it does not listen in time.
 */
function listening(
  child: ChildProcess,
  secretsByStdin: boolean,
): Promise<'listening' | 'secrets unread' | 'late'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('late'), START_LIMIT_MS);
    child.once('close', () => clearTimeout(timer));
    if (!child.stdout) return;
    let isReady = !secretsByStdin;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === SECRETS_READ) isReady = true;
      if (!line.includes('server listening on')) return;
      clearTimeout(timer);
      resolve(isReady ? 'listening' : 'secrets unread');
    });
  });
}
