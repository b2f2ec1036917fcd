import type { TurnOutcome } from '../runners/runner.ts';
import type { FileChange, TaskEventBody, TaskResult } from '../tasks/events.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import type { RunHandle } from './run-handle.ts';
import type { TaskRecorder } from './task-recorder.ts';
import { resultOf } from './termination.ts';

interface CollectOptions {
  recorder: TaskRecorder;
  run: RunHandle;
  files: TaskFiles;
  /** How the last turn ended; undefined if the run was terminated before that. */
  outcome: TurnOutcome | undefined;
  /** Whether the run ends for another reason than its last turn. */
  terminated: boolean;
}

/** Stops what still runs, then reads what changed. Failures become warnings: a task ends in any case. */
export async function collectResult(options: CollectOptions, warnings: TaskEventBody[]): Promise<TaskResult> {
  const { recorder, run, files, outcome, terminated } = options;
  const unconfirmed = 'STOP_UNCONFIRMED';
  if (terminated) await recorder.attempt(run.stop(recorder.task), unconfirmed, warnings, undefined);
  const settled = terminated ? undefined : run.current?.settle?.(outcome?.kind === 'completed');
  const processes = settled ? await recorder.attempt(settled, unconfirmed, warnings, []) : [];
  const finished = files.finish(recorder.task, recorder.toolsRan, warnings);
  const changes = await recorder.attempt<FileChange[]>(finished, 'CHANGES_UNKNOWN', warnings, []);
  return resultOf(outcome, changes, processes);
}
