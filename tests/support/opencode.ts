import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { scriptedProviderConfig } from '../../src/cli/demo/scripted-model/provider-config.ts';
import { ENGINE_MEMORY, ENGINE_START } from '../../src/runners/opencode-protocol/engine-runtime.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { tempDir } from './temp.ts';

const BINARY = join(import.meta.dirname, '../../node_modules/opencode-ai/bin/opencode.exe');
/** An empty catalogue of models: the built-in one costs OpenCode a second at its start, and most of a second and 25 MB for each folder. */
const NO_MODELS = join(import.meta.dirname, 'no-models.json');
/** OpenCode with its built-in catalogue of models, as users have it. */
export const BUILT_IN_MODELS = { OPENCODE_MODELS_PATH: '' } as const;
const START_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 3_000;

/** A running OpenCode server of a test. */
export interface RunningOpenCode {
  url: string;
  username: string;
  password: string;
  /** The id of the current process. */
  readonly pid: number;
  /** Its HOME: a temporary folder that `stop` removes. */
  home: string;
  /** Like `kill -9`; its shells survive. */
  kill(): Promise<void>;
  /** Starts it again after a kill, with the same HOME and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The whole environment of an offline OpenCode that has run in the folder `root` before, as `hermeticEnv`. */
export function hermeticHome(root: string, ...more: [modelUrl: string, extraConfig?: object]) {
  markSdkInstalled(join(root, 'config', 'opencode'));
  return hermeticEnv(root, ...more);
}

/**
 * The package files in a configuration folder as after OpenCode's npm install of the SDK of its plugins. Otherwise it
 * tries that install in every new home, which costs a quarter of a second of processor time.
 */
export function markSdkInstalled(config: string): void {
  const sdk = '@opencode-ai/plugin';
  const dependencies = { [sdk]: '1.18.33' };
  const packages = { '': { dependencies }, [`node_modules/${sdk}`]: { version: '1.18.33' } };
  mkdirSync(join(config, 'node_modules', sdk), { recursive: true });
  writeFileSync(join(config, 'package.json'), JSON.stringify({ dependencies }));
  writeFileSync(join(config, 'package-lock.json'), JSON.stringify({ packages }));
}

/** The whole environment of an offline OpenCode under `root`; `extraConfig` replaces top-level keys. */
export function hermeticEnv(
  root: string,
  modelUrl: string,
  extraConfig: object = {},
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: root,
    TMPDIR: root,
    XDG_DATA_HOME: join(root, 'data'),
    XDG_CONFIG_HOME: join(root, 'config'),
    XDG_STATE_HOME: join(root, 'state'),
    XDG_CACHE_HOME: join(root, 'cache'),
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_MODELS_PATH: NO_MODELS,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    npm_config_registry: 'http://127.0.0.1:1/',
    OPENCODE_CONFIG_CONTENT: JSON.stringify({
      ...scriptedProviderConfig(modelUrl),
      snapshot: false,
      ...extraConfig,
    }),
  };
}

/** Starts the real engine in a temporary HOME, with the scripted model as its only model. */
export async function startOpenCode(options: {
  modelUrl: string;
  config?: object;
  env?: Record<string, string>;
}): Promise<RunningOpenCode> {
  const home = await tempDir('opencode-home-');
  const password = randomBytes(12).toString('hex');
  const port = await freePort();
  const launch = (): ChildProcess =>
    spawn(BINARY, ['serve', '--port', `${port}`, '--hostname', '127.0.0.1'], {
      cwd: home.path,
      env: {
        ...ENGINE_MEMORY,
        ...ENGINE_START,
        ...hermeticHome(home.path, options.modelUrl, options.config),
        OPENCODE_SERVER_PASSWORD: password,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  let child = launch();
  const kill = async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const restart = async () => {
    child = launch();
    await listeningUrl(child);
  };
  const stop = async () => {
    await end(child);
    await killOrphans(home.path);
    await home.remove();
  };
  try {
    const url = await listeningUrl(child);
    return {
      url,
      username: 'opencode',
      password,
      get pid() {
        return z.number().parse(child.pid);
      },
      home: home.path,
      kill,
      restart,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  const output: string[] = [];
  return await new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`opencode ${why}; output: ${output.join('\n')}`));
    const timer = setTimeout(() => fail('did not listen within 60 s'), START_LIMIT_MS);
    child.once('error', (cause) => fail(`did not start: ${cause.message}`));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`exited (${code ?? signal})`);
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface(stream).on('line', (line) => {
        if (output.length < 100) output.push(line);
        const url = /listening on (http:\/\/\S+)/.exec(line)?.[1];
        if (!url) return;
        clearTimeout(timer);
        resolve(url);
      });
    }
  });
}

/** SIGTERM, which the engine may ignore, then SIGKILL. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  await exited;
  clearTimeout(timer);
}

/** Kills the shells that outlive the engine: every process whose HOME is the test's folder (Linux). */
async function killOrphans(home: string): Promise<void> {
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environment.split('\0').includes(`HOME=${home}`)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has already exited.
    }
  }
}
