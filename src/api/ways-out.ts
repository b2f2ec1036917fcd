import type { BridgeError, ErrorCode, ErrorReason } from '../errors.ts';
import type { Task } from '../tasks/task.ts';

/** What the caller of a tool can do about an error, in the words of the tools. */
export function wayOut({ code, reason, next, retryable }: BridgeError): string {
  const told = next ?? (reason ? ofReason(reason) : NEXT[code]);
  return told ?? (retryable ? 'Try again in a moment.' : 'The health tool shows more.');
}

/** The same for a task that failed; words that an older bridge stored with it stay. */
export function taskWayOut({ id, sessionId, error }: Task): string | undefined {
  if (!error) return undefined;
  const goOn =
    sessionId === undefined ? 'start a new task' : `opencode_execute_task with continue_task_id "${id}"`;
  return error.next ?? FAILED[error.code]?.(goOn);
}

function ofReason(reason: ErrorReason): string {
  switch (reason.kind) {
    case 'task_ended':
      return `To go on in the same session and directory: opencode_execute_task with continue_task_id "${reason.taskId}".`;
    case 'task_queued':
      return 'Wait until it runs (get_task_status with wait_ms), or cancel it.';
    case 'session_busy':
      return `Use send_task_message on ${reason.taskId}, or wait for its end.`;
    case 'no_session':
      return 'Start a new task without continue_task_id.';
    case 'not_a_folder':
      return 'Read a file with read_task_file.';
    case 'not_a_file':
      return 'Call get_task_files to see which files there are.';
    case 'outside_task':
      return 'Use a path as get_task_files lists it.';
  }
}

const NEXT: Partial<Record<ErrorCode, string>> = {
  INVALID_INPUT: 'Correct the arguments and call again; nothing was done.',
  TASK_NOT_FOUND:
    'list_tasks shows your tasks; a task belongs to the agent that started it, and one that ended long ago is removed (TASK_RETENTION_DAYS).',
  REQUEST_NOT_FOUND: 'get_task_status lists the open requests.',
  REQUEST_CLOSED: 'Nothing to do; get_task_status shows how the task goes on.',
  FILE_NOT_FOUND: 'Call get_task_files to see which files there are.',
  INVALID_STATE: 'get_task_status shows the state of the task.',
  NOT_FOUND: 'list_tasks shows your tasks.',
  FORBIDDEN: 'Use a path as get_task_files lists it.',
  UNSUPPORTED: 'The health tool shows the mode; another way is needed here.',
  PAYLOAD_TOO_LARGE: 'Send or ask for less at once.',
  INTERNAL: 'Try again; if it stays so, the operator finds the cause in the log.',
};

/** By the code of a task's error; told is how to go on from the task. */
const FAILED: Partial<Record<string, (goOn: string) => string>> = {
  ABORTED_EXTERNALLY: (goOn) => `If the work should go on: ${goOn}.`,
  BUDGET_EXCEEDED: (goOn) => `With a larger limit: ${goOn}; the session and its files are kept.`,
  CONTAINER_OUTPUT_LIMIT: (goOn) =>
    `Look at what in the folder writes so much (a plugin, a command that opens /proc/1/fd/1), or have RUNNER_OUTPUT_LIMIT raised; then ${goOn}.`,
  CONTENT_FILTERED: (goOn) => `In other words, or with another model: ${goOn}.`,
  ENGINE_ERROR: (goOn) =>
    `To go on: ${goOn}. If it happens again, the operator should look at OpenCode, in Docker mode at its image.`,
  ENGINE_LOST: (goOn) => `The session and its files are kept. To go on: ${goOn}.`,
  ENGINE_UNAVAILABLE: (goOn) => `The health tool shows when OpenCode is there again; then ${goOn}.`,
  OUTPUT_LIMIT: (goOn) => `To go on, perhaps with a model of a higher output limit: ${goOn}.`,
  OUT_OF_MEMORY: (goOn) => `Have RUNNER_MEMORY_LIMIT raised, or go on in smaller steps: ${goOn}.`,
  PROVIDER_AUTH: (goOn) =>
    `Give OpenCode a valid key (opencode auth login, or the provider variable), then ${goOn}.`,
  PROVIDER_ERROR: (goOn) => `Check the provider and the model, then ${goOn}.`,
  TIMEOUT: (goOn) => `To go on, with a larger timeout_ms if it needs one: ${goOn}.`,
  TURN_NEVER_STARTED: (goOn) =>
    `Look at the OpenCode log and at the MCP servers of its configuration, then ${goOn}.`,
  TURN_STALLED: (goOn) => `To go on, perhaps with another model: ${goOn}.`,
  TURN_STOPPED: (goOn) =>
    `Say what to do instead: ${goOn}. The operator can allow such actions with PERMISSION_POLICY.`,
};
