import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { releaseAll } from '../../src/app/release.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { createLogger, LOG_LEVELS } from '../../src/logger.ts';
import { findOpenCode } from '../../src/runners/opencode-server/binary.ts';
import { OpenCodeClientManager } from '../../src/runners/opencode-server/client-manager.ts';
import { EmbeddedServer } from '../../src/runners/opencode-server/embedded-server.ts';
import { authorization, type Endpoint } from '../../src/runners/opencode-server/endpoint.ts';
import type { TurnLimits } from '../../src/runners/opencode-server/session-state.ts';
import { Shells, type ShellsOptions } from '../../src/runners/shell/shells.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type ManageSetup, manage, type Releases } from './manage.ts';
import { hermeticHome } from './opencode.ts';
import { processesOf } from './processes.ts';
import { tempDir } from './temp.ts';
import { WarmFolders } from './warm-folders.ts';

export interface BridgeSetup extends ManageSetup {
  instanceLingerMs?: number;
  turnLimits?: Partial<TurnLimits>;
  silenceLimitMs?: number;
  maxRetries?: number;
  maxRssMb?: number;
  reachLimitMs?: number;
  /** OpenCode's configuration, by top-level key. */
  config?: object;
  /** Gives each task that names no folder a new one of its own. */
  fresh?: boolean;
  /** An engine that runs already, with the model it talks to; absent: an embedded one of its own. */
  on?: {
    endpoint: Endpoint;
    model: ScriptedModel;
    home?: string;
    engine?: EmbeddedServer | undefined;
    /** Other files use it after this bridge. */
    isShared?: boolean;
  };
  shells?: Partial<ShellsOptions>;
  /** More variables of the engine. */
  env?: Record<string, string>;
}

/** BRIDGE_LOG=debug shows what the bridge says meanwhile. */
export const logger = createLogger(LOG_LEVELS.find((level) => level === process.env.BRIDGE_LOG) ?? 'silent');

/** Those of an OpenCode server, by the model that only it talks to. */
const warmFolders = new WeakMap<ScriptedModel, WarmFolders>();

/** The bridge without its outside: the real engine, the real manager, a model that follows scripts. A task gets a warm folder unless it is to be `fresh`. */
export type Bridge = Awaited<ReturnType<typeof startBridge>>;

export async function startBridge(setup: BridgeSetup = {}) {
  const releases: Releases = [];
  const close = (): Promise<void> => releaseAll(releases, logger);
  try {
    return await build(setup, releases, close);
  } catch (thrown) {
    await close().catch(() => undefined);
    throw thrown;
  }
}

async function build(setup: BridgeSetup, releases: Releases, close: () => Promise<void>) {
  const root = await tempDir('bridge-');
  releases.push(root.remove);
  const on = setup.on ?? (await startEmbeddedEngine(root.path, setup, releases));
  const { endpoint, engine, model, home = join(root.path, 'home') } = on;
  if (setup.on?.isShared) releases.push(() => expectNothingOf(home, engine?.pid));
  const {
    instanceLingerMs = 60_000,
    turnLimits,
    silenceLimitMs = 30_000,
    maxRetries = 3,
    maxRssMb = 0,
    reachLimitMs,
  } = setup;
  const runner = new OpenCodeClientManager({
    endpoint,
    healthIntervalMs: 5_000,
    maxRetries,
    maxRssMb,
    reachLimitMs,
    retryDelayMs: 500,
    instanceLingerMs,
    asksOutside: (setup.requests?.outside ?? 'reject') !== 'allow',
    turnLimits: { startMs: 30_000, stallMs: 600_000, ...turnLimits },
    silenceLimitMs,
    logger,
  });
  runner.start();

  const warm = warmFolders.get(model) ?? new WarmFolders(join(root.path, 'workspace', 'warm'));
  warmFolders.set(model, warm);
  const managed = await manage(
    setup,
    root.path,
    model,
    logger,
    releases,
    async () => runner,
    setup.fresh ? undefined : warm,
  );
  const client: OpencodeClient = createOpencodeClient({
    baseUrl: endpoint.url,
    headers: authorization(endpoint),
    throwOnError: true,
  });
  /** The sessions that OpenCode says are at work in the task's directory. */
  const busy = async (task: Task): Promise<string[]> =>
    Object.keys((await client.session.status({ directory: task.directory })).data ?? {});
  return {
    ...managed,
    runner,
    client,
    endpoint,
    engine,
    home,
    busy,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** An embedded engine with its model and its shells; everything of it lies under `root`. */
export async function startEmbeddedEngine(root: string, setup: BridgeSetup = {}, releases: Releases = []) {
  const home = join(root, 'home');
  await mkdir(home);
  const model = await startScriptedModel();
  releases.push(() => model.close());
  const env = { ...hermeticHome(home, model.url, setup.config), ...setup.env };
  const shells = await startShells(root, env, setup);
  const engine = await EmbeddedServer.start({
    binary: findOpenCode(undefined, process.env.PATH),
    env,
    cwd: home,
    snapshot: false,
    shells,
    logger,
  });
  releases.push(() => expectNothingOf(home));
  releases.push(() => shells.close());
  releases.push(() => engine.close());
  warmFolders.set(model, new WarmFolders(join(root, 'workspace', 'warm')));
  return { endpoint: engine.endpoint, engine, model, home };
}

/** As the app does it. */
function startShells(root: string, env: Record<string, string>, setup: BridgeSetup): Promise<Shells> {
  return Shells.start({
    folder: join(root, 'data', 'shell'),
    sandbox: 'auto',
    writable: [],
    readable: [],
    passthrough: [],
    leftovers: 'end',
    env,
    privateFolders: [join(root, 'data')],
    workspaceDir: join(root, 'workspace'),
    roots: setup.roots ?? [],
    logger,
    ...setup.shells,
  });
}

/** Kills what the engine left behind, and says what it was; `engine` goes on where others use it. */
async function expectNothingOf(home: string, engine?: number): Promise<void> {
  const left = (await processesOf(home)).filter(({ pid }) => pid !== engine);
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
}
