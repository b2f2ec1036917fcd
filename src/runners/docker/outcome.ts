import { quote } from '../../errors.ts';
import type { TaskError } from '../../tasks/events.ts';
import { GOES_ON, OUTPUT_LIMIT, TURN_STOPPED } from '../opencode-protocol/finish.ts';
import { taskError } from '../opencode-protocol/translate.ts';
import type { TurnOutcome } from '../runner.ts';
import type { RunReport } from './run-output.ts';

/** What a shell says of a command that cannot be run. */
const NOT_RUNNABLE: ReadonlySet<number> = new Set([126, 127]);
/** From here on an exit code means a signal. */
const SIGNALS = 128;

/** How a container ended. */
export interface ContainerExit {
  exitCode: number;
  /** Whether the kernel killed something in it for want of memory. */
  oomKilled: boolean;
}

/** What OpenCode reported and how its container ended, as the outcome of the turn; an exit code alone is not believed. */
export function turnOutcome(findings: RunReport, end: ContainerExit | undefined, image: string): TurnOutcome {
  const { summary, finish } = findings;
  const error = errorOf(findings, end, image);
  if (error) return { kind: 'failed', summary, finish: finish ?? 'error', error };
  return { kind: 'completed', summary, finish: finish ?? 'unknown' };
}

/** Undefined where the model came to its end. */
function errorOf(
  { outputLimitReached, unknownAgent, error, finish, rejectedPermissions, session, lastPlainLine }: RunReport,
  end: ContainerExit | undefined,
  image: string,
): TaskError | undefined {
  if (outputLimitReached) return TOO_MUCH_OUTPUT;
  if (unknownAgent !== undefined) return agentNotFound(unknownAgent);
  if (!error && finish === 'length') return OUTPUT_LIMIT;
  if (!error && finish !== undefined && !GOES_ON.has(finish)) return undefined;
  if (end?.oomKilled && end.exitCode !== 0) return OUT_OF_MEMORY;
  if (error) return taskError(error);
  if (rejectedPermissions.length > 0) return turnStopped(rejectedPermissions);
  if (!end || end.exitCode > SIGNALS) return engineLost(end);
  if (NOT_RUNNABLE.has(end.exitCode) && session === undefined) return notRunnable(image, lastPlainLine);
  if (end.exitCode === 0 && finish !== undefined) return TURN_STOPPED;
  const said = lastPlainLine === undefined ? 'said nothing' : `said last: ${lastPlainLine}`;
  return {
    code: 'ENGINE_ERROR',
    message: `OpenCode ended with exit code ${end.exitCode} before its turn was over, and ${said}`,
  };
}

function engineLost(end: ContainerExit | undefined): TaskError {
  const what = end ? `was ended from outside (exit code ${end.exitCode})` : 'is gone';
  return {
    code: 'ENGINE_LOST',
    message: `The container of the task ${what} in the middle of the turn.`,
  };
}

function notRunnable(image: string, said: string | undefined): TaskError {
  return {
    code: 'ENGINE_UNAVAILABLE',
    message: `OpenCode cannot be run in the image ${quote(image)}${said === undefined ? '' : `: ${said}`}`,
    next: 'Set RUNNER_IMAGE to an image with opencode on its PATH (docs/docker.md).',
  };
}

function agentNotFound(agent: string): TaskError {
  return {
    code: 'AGENT_NOT_FOUND',
    message: `OpenCode knows no agent ${quote(agent)}; the run was stopped, because it would go on with another.`,
    next: 'Name an agent that OpenCode has in that folder (build, plan, …), or leave `agent` out.',
  };
}

function turnStopped(rejected: readonly string[]): TaskError {
  return {
    code: 'TURN_STOPPED',
    message: `OpenCode stopped the turn because a permission was rejected: ${rejected.at(-1)}.`,
  };
}

const TOO_MUCH_OUTPUT: TaskError = {
  code: 'CONTAINER_OUTPUT_LIMIT',
  message: 'The container wrote more to its stdout and stderr than RUNNER_OUTPUT_LIMIT allows and was ended.',
};

const OUT_OF_MEMORY: TaskError = {
  code: 'OUT_OF_MEMORY',
  message: 'The container used more memory than RUNNER_MEMORY_LIMIT allows and was killed.',
};
