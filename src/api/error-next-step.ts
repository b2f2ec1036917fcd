import type { BridgeError, ErrorCode, ErrorReason } from '../errors.ts';
import type { Task } from '../tasks/task.ts';
import type { OperationNames } from './operation-names.ts';

/** What the caller can do about an error. */
export function errorNextStep({ code, reason, next, retryable }: BridgeError, names: OperationNames): string {
  const specific = next ?? (reason ? nextByReason(reason, names) : nextByCode(code, names));
  return specific ?? (retryable ? 'Try again in a moment.' : `${names.health} shows more.`);
}

/** What the caller can do about a failed task; a text that an older bridge stored with the error is kept. */
export function taskErrorNextStep({ id, sessionId, error }: Task, names: OperationNames): string | undefined {
  if (!error) return undefined;
  const howToContinue = sessionId === undefined ? 'start a new task' : names.continueFrom(id);
  return error.next ?? FAILED[error.code]?.(howToContinue, names);
}

function nextByReason(reason: ErrorReason, names: OperationNames): string {
  switch (reason.kind) {
    case 'task_ended':
      return `To go on in the same session and directory: ${names.continueFrom(reason.taskId)}.`;
    case 'task_not_ended':
      return `Cancel it, or wait for its end (${names.wait(reason.taskId)}).`;
    case 'task_queued':
      return `Wait until it runs (${names.wait(reason.taskId)}), or cancel it.`;
    case 'session_busy':
      return `Use ${names.message(reason.taskId)}, or wait for its end.`;
    case 'no_session':
      return 'Start a new task without continue_task_id.';
    case 'not_a_folder':
      return `Read a file with ${names.file}.`;
    case 'not_a_file':
      return `Call ${names.files} to see which files there are.`;
    case 'outside_task':
      return `Use a path as ${names.files} lists it.`;
  }
}

function nextByCode(code: ErrorCode, names: OperationNames): string | undefined {
  const seeFiles = `Call ${names.files} to see which files there are.`;
  const steps: Partial<Record<ErrorCode, string>> = {
    INVALID_INPUT: 'Correct the arguments and call again; nothing was done.',
    TASK_NOT_FOUND: `${names.list} shows your tasks; a task belongs to the agent that started it, and one that ended long ago is removed (TASK_RETENTION_DAYS).`,
    REQUEST_NOT_FOUND: `${names.status} lists the open requests.`,
    REQUEST_CLOSED: `Nothing to do; ${names.status} shows how the task goes on.`,
    FILE_NOT_FOUND: seeFiles,
    INVALID_STATE: `${names.status} shows the state of the task.`,
    NOT_FOUND: `${names.list} shows your tasks.`,
    FORBIDDEN: `Use a path as ${names.files} lists it.`,
    UNSUPPORTED: `${names.health} shows the mode; another way is needed here.`,
    PAYLOAD_TOO_LARGE: 'Send or ask for less at once.',
    INTERNAL: 'Try again; if it stays so, the operator finds the cause in the log.',
  };
  return steps[code];
}

/** By the code of a task's error; the argument says how to continue from the task. */
const FAILED: Partial<Record<string, (howToContinue: string, names: OperationNames) => string>> = {
  ABORTED_EXTERNALLY: (howToContinue) => `If the work should go on: ${howToContinue}.`,
  BUDGET_EXCEEDED: (howToContinue) =>
    `With a larger limit: ${howToContinue}; the session and its files are kept.`,
  CONTAINER_OUTPUT_LIMIT: (howToContinue) =>
    `Look at what in the folder writes so much (a plugin, a command that opens /proc/1/fd/1), or have RUNNER_OUTPUT_LIMIT raised; then ${howToContinue}.`,
  CONTENT_FILTERED: (howToContinue) => `In other words, or with another model: ${howToContinue}.`,
  ENGINE_ERROR: (howToContinue) =>
    `To go on: ${howToContinue}. If it happens again, the operator should look at OpenCode, in Docker mode at its image.`,
  ENGINE_LOST: (howToContinue) => `The session and its files are kept. To go on: ${howToContinue}.`,
  ENGINE_UNAVAILABLE: (howToContinue, { health }) =>
    `${health} shows when OpenCode is there again; then ${howToContinue}.`,
  OUTPUT_LIMIT: (howToContinue) =>
    `To go on, perhaps with a model of a higher output limit: ${howToContinue}.`,
  OUT_OF_MEMORY: (howToContinue) =>
    `Have RUNNER_MEMORY_LIMIT raised, or go on in smaller steps: ${howToContinue}.`,
  PROVIDER_AUTH: (howToContinue) =>
    `Give OpenCode a valid key (docs/provider-keys.md, or opencode auth login), then ${howToContinue}.`,
  PROVIDER_ERROR: (howToContinue) => `Check the provider and the model, then ${howToContinue}.`,
  TIMEOUT: (howToContinue) => `To go on, with a larger timeout_ms if it needs one: ${howToContinue}.`,
  TURN_NEVER_STARTED: (howToContinue) =>
    `Look at the OpenCode log and at the MCP servers of its configuration, then ${howToContinue}.`,
  TURN_STALLED: (howToContinue) => `To go on, perhaps with another model: ${howToContinue}.`,
  TURN_STOPPED: (howToContinue) =>
    `Say what to do instead: ${howToContinue}. The operator can allow such actions with PERMISSION_POLICY.`,
};
