import type { Runner, RunnerChoices } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import { newTaskId } from '../tasks/ids.ts';
import type { TaskOwner } from '../tasks/task.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import { isForeign } from './admission.ts';
import type { ExecutionLimits } from './create-task-input.ts';
import { listTasks } from './list-tasks.ts';

/** Tasks among which the directories are looked for. */
const RECENT_TASKS = 100;

/** What a new task can be given here. */
export interface TaskOptions {
  /** Folders in and below which tasks may work. */
  roots: readonly string[];
  /** Folders in which the owner's tasks worked lately, the latest first. */
  recent: string[];
  /** Absent if the runner has no lists. */
  choices?: RunnerChoices | undefined;
  /** Why there are none, although the runner has lists. */
  failure?: unknown;
  /** Used where a task names none. */
  defaults: { model?: string | undefined; agent?: string | undefined };
  limits: ExecutionLimits;
}

interface TaskOptionsSources {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  limits: ExecutionLimits;
}

/** Throws INVALID_INPUT for a directory in which the owner's tasks may not work. */
export async function taskOptions(
  { runner, log, files, limits }: TaskOptionsSources,
  owner: TaskOwner,
  requested: string | undefined,
): Promise<TaskOptions> {
  const foreign = (path: string): boolean => owner !== undefined && isForeign(log.store, owner, path);
  const directory =
    requested === undefined
      ? files.workspaceDir
      : (await files.resolve(newTaskId(Date.now()), requested, foreign)).path;
  const [choices, recent] = await Promise.allSettled([
    runner.choices?.(directory),
    recentDirectories(log, owner),
  ]);
  return {
    roots: files.roots,
    recent: recent.status === 'fulfilled' ? recent.value : [],
    ...(choices.status === 'fulfilled' ? { choices: choices.value } : { failure: choices.reason }),
    defaults: runner.defaults ?? {},
    limits,
  };
}

/** The folders that callers named; a folder that the bridge made belongs to its task. */
async function recentDirectories(log: EventLog, agentId: TaskOwner): Promise<string[]> {
  const { tasks } = await listTasks(log.store, { agentId, limit: RECENT_TASKS });
  const named = tasks.filter(({ ownsDirectory }) => !ownsDirectory);
  return [...new Set(named.map(({ directory }) => directory))];
}
