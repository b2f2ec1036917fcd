import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { RecordedRequest, ScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { KEY_LIFETIME_MS } from '../../src/execution/admission.ts';
import type { RecoveryRules } from '../../src/execution/conversation.ts';
import type { CreateTaskInput, ExecutionLimits } from '../../src/execution/create-task-input.ts';
import { ExecutionManager } from '../../src/execution/execution-manager.ts';
import type { RequestRules } from '../../src/execution/input-requests.ts';
import type { Logger } from '../../src/logger.ts';
import type { Runner } from '../../src/runners/runner.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import { isEnd, type Task } from '../../src/tasks/task.ts';
import { Retention } from '../../src/workspaces/retention.ts';
import { TaskFiles } from '../../src/workspaces/task-files.ts';
import type { WarmFolders } from './warm-folders.ts';

export type Releases = (() => Promise<unknown> | unknown)[];

export interface ManageSetup {
  limits?: Partial<ExecutionLimits>;
  requests?: Partial<RequestRules>;
  recovery?: Partial<RecoveryRules>;
  /** Folders besides the workspace that callers may name. */
  roots?: string[];
}

/** A task order whose description is a script for the model. */
export type Order = Omit<CreateTaskInput, 'description'> & {
  description?: string;
  agentId?: string;
  /** In a new folder of the task's own, also where there are warm ones. */
  fresh?: boolean;
};

const LIMITS: ExecutionLimits = {
  maxConcurrent: 10,
  maxQueued: 100,
  defaultTimeoutMs: 600_000,
  maxTimeoutMs: 3_600_000,
  maxDescriptionLength: 1_000_000,
};

/** The real manager over a runner, and what tests do with it; everything of it lies under `root`. */
export async function manage(
  setup: ManageSetup,
  root: string,
  model: ScriptedModel,
  logger: Logger,
  releases: Releases,
  startRunner: (store: SqliteTaskStore) => Promise<Runner>,
  warm?: WarmFolders,
) {
  const workspaceDir = join(root, 'workspace');
  const database = openDatabase(join(root, 'data'));
  const store = new SqliteTaskStore(database);
  let isClosed = false;
  releases.push(() => {
    isClosed = true;
    store.close();
  });
  const runner = await startRunner(store);
  releases.push(() => runner.close());
  const log = new EventLog(store);
  const files = new TaskFiles({
    workspaceDir,
    roots: [...(setup.roots ?? []), ...(warm ? [warm.path] : [])],
    snapshotsDir: join(root, 'data', 'snapshots'),
    maxFileSize: 1_000_000,
    env: { PATH: process.env.PATH },
    logger,
  });
  const retention = new Retention({
    removals: new SqliteTaskRemovals(database),
    files,
    keepMs: 0,
    keyLifetimeMs: KEY_LIFETIME_MS,
    deliveryMaxAgeMs: 60_000,
    onHidden: () => log.announceRemoval(),
    endProcesses: async (directory) => runner.endProcesses?.(directory),
    logger,
  });
  releases.push(() => retention.close());
  const execution = new ExecutionManager({
    removal: retention,
    runner,
    log,
    files,
    limits: { ...LIMITS, ...setup.limits },
    requests: { policy: 'ask', outside: 'reject', timeoutMs: 600_000, ...setup.requests },
    recovery: { policy: 'continue', max: 2, ...setup.recovery },
    logger,
  });
  releases.push(() => execution.close(0));

  const now = (task: Task): Task => log.get(task.id) ?? task;
  const events = (task: Task): TaskEvent[] => store.events(task.id, 0, Number.MAX_SAFE_INTEGER);

  const start = async (
    steps: Script,
    { description, agentId = 'agent', fresh = false, ...order }: Order = {},
  ) => {
    const text = description ?? `Please do this: ${scriptText(steps)}`;
    // The same order names the same folder each time.
    const isPlaced = fresh || [order.directory, order.continueTaskId, order.idempotencyKey].some(Boolean);
    const folder = isPlaced ? undefined : warm?.take();
    const placed = folder ? { directory: folder.path, ...order } : order;
    const { task } = await execution.execute(agentId, { ...placed, description: text });
    folder?.usedWhile(() => isClosed || !isEnd(now(task).status));
    return task;
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
    model,
    runner,
    root,
    workspaceDir,
    start,
    end,
    run,
    until,
    events,
    now,
    asked,
    untilAsked,
  };
}
