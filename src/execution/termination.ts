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
const NO_WORDS = 'The agent ended its turn without a word.';

/** Why a task ends before its agent is done; the first reason stays. */
export type TerminationReason =
  | { kind: 'cancelled'; by: string; reason?: string | undefined }
  | { kind: 'timeout' }
  | { kind: 'budget' | 'outside answer'; error: TaskError };

/** What a task came to; no outcome where it was ended before its agent's turn was. */
export function resultOf(
  outcome: TurnOutcome | undefined,
  changes: readonly FileChange[],
  left: ProcessLeft[],
): TaskResult {
  const summary = isEmpty(outcome) ? NO_WORDS : (outcome?.summary ?? '');
  return {
    summary: cut(summary, SUMMARY_LIMIT),
    files_changed: changes.slice(0, FILES_LIMIT),
    files_changed_total: changes.length,
    finish: outcome && 'finish' in outcome ? outcome.finish : 'interrupted',
    exit_code: outcome && 'exitCode' in outcome ? outcome.exitCode : undefined,
    ...(left.length > 0 && { processes_left: left }),
  };
}

/** What has to be said of a turn besides how it ended. */
export function remarks(outcome: TurnOutcome | undefined): TaskEventBody[] {
  return isEmpty(outcome) ? [{ kind: 'warning', code: 'EMPTY_TURN', message: NO_WORDS }] : [];
}

/** What has to be said where messages did not reach the agent any more. */
export function undelivered(count: number): TaskEventBody[] {
  if (count === 0) return [];
  const message = `${count} of the messages to the agent did not reach it before the task ended.`;
  return [{ kind: 'warning', code: 'MESSAGE_UNDELIVERED', message }];
}

/** How a turn comes out that could not be had. */
export function failedBy(thrown: unknown): TurnOutcome {
  const { code, message, next } = toBridgeError(thrown);
  return { kind: 'failed', summary: '', finish: 'error', error: { code, message, next } };
}

/** The task's last event. */
export function endEvent(
  task: Task,
  ending: TerminationReason | undefined,
  outcome: TurnOutcome | undefined,
  result: TaskResult,
): TaskEventBody {
  if (ending?.kind === 'cancelled') {
    const { by, reason } = ending;
    return { kind: 'cancelled', by, result, reason };
  }
  if (ending?.kind === 'timeout') return { kind: 'timeout', error: timeoutError(task), result };
  if (ending) return { kind: 'failed', error: ending.error, result };
  if (outcome?.kind === 'completed') return { kind: 'completed', result };
  return { kind: 'failed', error: outcome?.kind === 'failed' ? outcome.error : NO_OUTCOME, result };
}

/** The error of a task that has used up more than it may; undefined while it has not. */
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
