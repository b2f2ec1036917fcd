import { toBridgeError } from '../errors.ts';
import type { TurnOutcome } from '../runners/runner.ts';
import {
  type FileChange,
  type ProcessLeft,
  type TaskError,
  type TaskEventBody,
  type TaskResult,
  tokensOf,
} from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { cut } from '../text.ts';

const SUMMARY_LIMIT = 4_000;
const FILES_LIMIT = 100;
const EMPTY_TURN = 'The agent ended its turn without any text.';

/** Why a task ends before its agent is done; the first reason is kept. */
export type TerminationReason =
  | { kind: 'cancelled'; by: string; reason?: string | undefined }
  | { kind: 'timeout' }
  | { kind: 'budget' | 'outside answer'; error: TaskError };

/** The result of a task; `outcome` is undefined if the task was terminated during a turn. */
export function resultOf(
  outcome: TurnOutcome | undefined,
  changes: readonly FileChange[],
  processes: ProcessLeft[],
): TaskResult {
  const summary = isEmpty(outcome) ? EMPTY_TURN : (outcome?.summary ?? '');
  return {
    summary: cut(summary, SUMMARY_LIMIT),
    files_changed: changes.slice(0, FILES_LIMIT),
    files_changed_total: changes.length,
    finish: outcome && 'finish' in outcome ? outcome.finish : 'interrupted',
    exit_code: outcome && 'exitCode' in outcome ? outcome.exitCode : undefined,
    ...(processes.length > 0 && { processes_left: processes }),
  };
}

/** Warnings about a turn, apart from its outcome. */
export function warningsOf(outcome: TurnOutcome | undefined): TaskEventBody[] {
  return isEmpty(outcome) ? [{ kind: 'warning', code: 'EMPTY_TURN', message: EMPTY_TURN }] : [];
}

/** A warning if messages did not reach the agent before the task ended. */
export function undelivered(count: number): TaskEventBody[] {
  if (count === 0) return [];
  const message = `Messages that were not delivered before the task ended: ${count}.`;
  return [{ kind: 'warning', code: 'MESSAGE_UNDELIVERED', message }];
}

/** The outcome of a turn that could not run. */
export function failedBy(thrown: unknown): TurnOutcome {
  const { code, message, next } = toBridgeError(thrown);
  return { kind: 'failed', summary: '', finish: 'error', error: { code, message, next } };
}

/** The task's last event. */
export function endEvent(
  task: Task,
  termination: TerminationReason | undefined,
  outcome: TurnOutcome | undefined,
  result: TaskResult,
): TaskEventBody {
  if (termination?.kind === 'cancelled') {
    const { by, reason } = termination;
    return { kind: 'cancelled', by, result, reason };
  }
  if (termination?.kind === 'timeout') return { kind: 'timeout', error: timeoutError(task), result };
  if (termination) return { kind: 'failed', error: termination.error, result };
  if (outcome?.kind === 'completed') return { kind: 'completed', result };
  return { kind: 'failed', error: outcome?.kind === 'failed' ? outcome.error : NO_OUTCOME, result };
}

/** The error of a task that has exceeded its budget; undefined while it has not. */
export function overBudget({ limits, usage }: Task): TaskError | undefined {
  const { maxCostUsd = Infinity, maxTokens = Infinity } = limits;
  const tokens = tokensOf(usage);
  const over = [
    ...(usage.cost_usd > maxCostUsd ? [`$${usage.cost_usd} of \`max_cost_usd\` ${maxCostUsd}`] : []),
    ...(tokens > maxTokens ? [`${tokens} tokens of \`max_tokens\` ${maxTokens}`] : []),
  ];
  if (over.length === 0) return undefined;
  return {
    code: 'BUDGET_EXCEEDED',
    message: `The task has used ${over.join(' and ')}, subagents included.`,
  };
}

/** The error of a task that has used up its tokens as its providers count them. */
export function tokensSpent({ limits }: Task, tokens: number): TaskError {
  return {
    code: 'BUDGET_EXCEEDED',
    message: `The task has used ${tokens} tokens of \`max_tokens\` ${limits.maxTokens}, as its providers count them, subagents included.`,
  };
}

function isEmpty(outcome: TurnOutcome | undefined): boolean {
  return outcome?.kind === 'completed' && outcome.summary === '';
}

function timeoutError({ limits }: Task): TaskError {
  return {
    code: 'TIMEOUT',
    message: `The task ran into its limit of ${limits.timeoutMs} ms.`,
  };
}

const NO_OUTCOME: TaskError = { code: 'INTERNAL', message: 'The run ended without an outcome.' };
