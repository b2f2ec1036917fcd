import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import type { RecoveryRules } from '../../src/execution/conversation.ts';
import { ExecutionManager } from '../../src/execution/execution-manager.ts';
import { findOpenCode } from '../../src/execution/opencode/binary.ts';
import { OpenCodeClientManager } from '../../src/execution/opencode/client-manager.ts';
import { EmbeddedServer } from '../../src/execution/opencode/embedded-server.ts';
import { authorization, type Endpoint } from '../../src/execution/opencode/endpoint.ts';
import type { TurnLimits } from '../../src/execution/opencode/watchdog.ts';
import type { ExecutionLimits, TaskOrder } from '../../src/execution/order.ts';
import type { RequestRules } from '../../src/execution/requests.ts';
import { TaskFiles } from '../../src/execution/task-files.ts';
import { createLogger, LOG_LEVELS } from '../../src/logger.ts';
import { type Script, scriptText } from '../../src/scripted-model/script.ts';
import {
  type RecordedRequest,
  type ScriptedModel,
  startScriptedModel,
} from '../../src/scripted-model/server.ts';
import { openDatabase } from '../../src/tasks/database.ts';
import { EventLog } from '../../src/tasks/event-log.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import { SqliteTaskStore } from '../../src/tasks/sqlite-task-store.ts';
import { isEnd, type Task } from '../../src/tasks/task.ts';
import { hermeticEnv } from './opencode.ts';
import { processesOf } from './processes.ts';
import { tempDir } from './temp.ts';

export interface BridgeSetup {
  limits?: Partial<ExecutionLimits>;
  requests?: Partial<RequestRules>;
  recovery?: Partial<RecoveryRules>;
  /** Folders besides the workspace that callers may name. */
  roots?: string[];
  instanceLingerMs?: number;
  turnLimits?: Partial<TurnLimits>;
  silenceLimitMs?: number;
  maxRetries?: number;
  maxRssMb?: number;
  /** OpenCode's configuration, by top-level key. */
  config?: object;
  /** An engine that runs already, with the model it talks to; absent: an embedded one of its own. */
  on?: { endpoint: Endpoint; model: ScriptedModel };
}

/** A task order whose description is a script for the model. */
export type Order = Omit<TaskOrder, 'description'> & { description?: string; agentId?: string };

/** BRIDGE_LOG=debug shows what the bridge says meanwhile. */
const logger = createLogger(LOG_LEVELS.find((level) => level === process.env.BRIDGE_LOG) ?? 'silent');

const LIMITS: ExecutionLimits = {
  maxConcurrent: 10,
  maxQueued: 100,
  defaultTimeoutMs: 60_000,
  maxTimeoutMs: 3_600_000,
  maxDescriptionLength: 1_000_000,
};

/** The bridge without its outside: the real engine, the real manager, a model that follows scripts. */
export type Bridge = Awaited<ReturnType<typeof startBridge>>;

export async function startBridge(setup: BridgeSetup = {}) {
  const releases: (() => Promise<unknown> | unknown)[] = [];
  const close = async (): Promise<void> => {
    for (let release = releases.pop(); release; release = releases.pop()) await release();
  };
  try {
    return await build(setup, releases, close);
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function build(
  setup: BridgeSetup,
  releases: (() => Promise<unknown> | unknown)[],
  close: () => Promise<void>,
) {
  const root = await tempDir('bridge-');
  releases.push(root.remove);
  const home = join(root.path, 'home');
  const workspaceDir = join(root.path, 'workspace');
  await mkdir(home);

  const model = setup.on?.model ?? (await startScriptedModel());
  if (!setup.on) releases.push(() => model.close());
  const engine = setup.on ? undefined : await startEngine(home, model.url, setup.config);
  if (engine) {
    releases.push(() => expectNothingOf(home));
    releases.push(() => engine.close());
  }
  const endpoint = setup.on?.endpoint ?? engine?.endpoint;
  if (!endpoint) throw new Error('a bridge has an engine');
  const {
    instanceLingerMs = 60_000,
    turnLimits,
    silenceLimitMs = 30_000,
    maxRetries = 3,
    maxRssMb = 0,
  } = setup;
  const runner = new OpenCodeClientManager({
    endpoint,
    healthIntervalMs: 5_000,
    maxRetries,
    maxRssMb,
    retryDelayMs: 500,
    instanceLingerMs,
    turnLimits: { startMs: 30_000, stallMs: 600_000, ...turnLimits },
    silenceLimitMs,
    logger,
  });
  releases.push(() => runner.close());
  runner.start();

  const store = new SqliteTaskStore(openDatabase(join(root.path, 'data')));
  releases.push(() => store.close());
  const log = new EventLog(store);
  const files = new TaskFiles({
    workspaceDir,
    roots: setup.roots ?? [],
    snapshotsDir: join(root.path, 'data', 'snapshots'),
    maxFileSize: 1_000_000,
    env: { PATH: process.env.PATH },
    logger,
  });
  const execution = new ExecutionManager({
    runner,
    log,
    files,
    limits: { ...LIMITS, ...setup.limits },
    requests: { policy: 'ask', outside: 'reject', timeoutMs: 30_000, ...setup.requests },
    recovery: { policy: 'continue', max: 2, ...setup.recovery },
    logger,
  });
  releases.push(() => execution.close(0));

  const client: OpencodeClient = createOpencodeClient({
    baseUrl: endpoint.url,
    headers: authorization(endpoint),
    throwOnError: true,
  });
  const now = (task: Task): Task => log.get(task.id) ?? task;
  const events = (task: Task): TaskEvent[] => store.events(task.id, 0, Number.MAX_SAFE_INTEGER);

  const start = async (steps: Script, { description, agentId = 'agent', ...order }: Order = {}) => {
    const text = description ?? `Please do this: ${scriptText(steps)}`;
    return (await execution.execute(agentId, { ...order, description: text })).task;
  };
  /** The task after its end. */
  const end = async (task: Task): Promise<Task> => {
    for await (const _ of log.follow(task.id, 0));
    return now(task);
  };
  const run = async (steps: Script, order?: Order) => end(await start(steps, order));
  /** The task's first event behind `after` that satisfies; rejects where the task ends without it. */
  const until = async (
    task: Task,
    satisfies: (event: TaskEvent) => boolean,
    after = 0,
  ): Promise<TaskEvent> => {
    for await (const event of log.follow(task.id, after)) if (satisfies(event)) return event;
    throw new Error(`the task ended without it: ${JSON.stringify(events(task), undefined, 1)}`);
  };
  /** The sessions that OpenCode says are at work in the task's directory. */
  const busy = async (task: Task): Promise<string[]> =>
    Object.keys((await client.session.status({ directory: task.directory })).data ?? {});
  /** What the model was asked in the task's session, oldest first. */
  const asked = (task: Task): RecordedRequest[] =>
    model.requests.filter(({ session }) => session !== undefined && session === now(task).sessionId);
  /** Waits until the model was asked this often. */
  const untilAsked = async (task: Task, times = 1): Promise<void> => {
    while (asked(task).length < times) {
      if (isEnd(now(task).status))
        throw new Error(`the model was not asked: ${JSON.stringify(events(task))}`);
      await sleep(10);
    }
  };

  return {
    execution,
    log,
    store,
    runner,
    model,
    client,
    endpoint,
    engine,
    root: root.path,
    home,
    workspaceDir,
    start,
    end,
    run,
    until,
    events,
    now,
    busy,
    asked,
    untilAsked,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function startEngine(home: string, modelUrl: string, config: object | undefined): Promise<EmbeddedServer> {
  return EmbeddedServer.start({
    binary: findOpenCode(undefined, process.env.PATH),
    env: hermeticEnv(home, modelUrl, config),
    cwd: home,
    snapshot: false,
    logger,
  });
}

/** Kills what the engine left behind, and says what it was. */
async function expectNothingOf(home: string): Promise<void> {
  const left = await processesOf(home);
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`);
}
