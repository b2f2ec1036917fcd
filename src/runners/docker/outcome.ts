import { quote } from '../../errors.ts';
import type { TaskError } from '../../tasks/events.ts';
import { GOES_ON, OUTPUT_LIMIT, TURN_STOPPED } from '../opencode-protocol/finish.ts';
import { taskError } from '../opencode-protocol/translate.ts';
import type { TurnOutcome } from '../runner.ts';
import type { RunReport } from './run-report.ts';

/** Exit codes of a shell that cannot run the command: not executable, not found. */
const NOT_EXECUTABLE_CODES: ReadonlySet<number> = new Set([126, 127]);
/** An exit code above this means that a signal ended the process. */
const SIGNAL_EXIT_CODE = 128;

/** How a container ended. */
export interface ContainerExit {
  exitCode: number;
  /** Whether the kernel killed a process in it because memory ran out. */
  oomKilled: boolean;
}

/**
 * The outcome of a turn: what OpenCode reported comes first, the exit of its container last. An exit code alone proves
 * nothing: OpenCode exits with 0 after some failures, and the container can be killed after the last answer.
 */
export function turnOutcome(findings: RunReport, end: ContainerExit | undefined, image: string): TurnOutcome {
  const { summary, finish } = findings;
  const error = errorOf(findings, end, image);
  if (error) return { kind: 'failed', summary, finish: finish ?? 'error', error };
  return { kind: 'completed', summary, finish: finish ?? 'unknown' };
}

/** Undefined where the model finished its answer. The order matters: the most specific cause comes first. */
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
  if (!end || end.exitCode > SIGNAL_EXIT_CODE) return engineLost(end);
  if (NOT_EXECUTABLE_CODES.has(end.exitCode) && session === undefined)
    return notExecutable(image, lastPlainLine);
  if (end.exitCode === 0 && finish !== undefined) return TURN_STOPPED;
  const output = lastPlainLine === undefined ? 'It wrote nothing.' : `Its last line: ${lastPlainLine}`;
  return {
    code: 'ENGINE_ERROR',
    message: `OpenCode exited with code ${end.exitCode} before its turn was over. ${output}`,
  };
}

function engineLost(end: ContainerExit | undefined): TaskError {
  const what = end ? `was killed (exit code ${end.exitCode})` : 'is gone';
  return {
    code: 'ENGINE_LOST',
    message: `The container of the task ${what} in the middle of the turn.`,
  };
}

function notExecutable(image: string, lastLine: string | undefined): TaskError {
  return {
    code: 'ENGINE_UNAVAILABLE',
    message: `OpenCode cannot be run in the image ${quote(image)}${lastLine === undefined ? '' : `: ${lastLine}`}`,
    next: 'Set RUNNER_IMAGE to an image with opencode on its PATH (docs/docker.md).',
  };
}

function agentNotFound(agent: string): TaskError {
  return {
    code: 'AGENT_NOT_FOUND',
    message: `OpenCode has no agent ${quote(agent)}. The run was stopped, because OpenCode would use another agent.`,
    next: 'Use an agent that OpenCode has in that folder (build, plan, …), or leave `agent` out.',
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
  message: 'The container wrote more to stdout and stderr than RUNNER_OUTPUT_LIMIT allows, and was stopped.',
};

const OUT_OF_MEMORY: TaskError = {
  code: 'OUT_OF_MEMORY',
  message: 'The container used more memory than RUNNER_MEMORY_LIMIT allows, and was killed.',
};
