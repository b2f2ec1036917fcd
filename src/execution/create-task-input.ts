import { createHash } from 'node:crypto';
import { BridgeError, quote } from '../errors.ts';
import { matrixUserFault } from '../matrix-user.ts';

const MAX_OBSERVERS = 50;

export interface ExecutionLimits {
  maxConcurrent: number;
  maxQueued: number;
  /** Of one agent; absent: as many as wait in all. */
  maxQueuedPerAgent?: number | undefined;
  defaultTimeoutMs: number;
  maxTimeoutMs: number;
  /** For tasks that name none; absent: no limit. */
  defaultMaxCostUsd?: number | undefined;
  defaultMaxTokens?: number | undefined;
  maxDescriptionLength: number;
}

/** What a caller asks to have done. */
export interface CreateTaskInput {
  description: string;
  idempotencyKey?: string | undefined;
  timeoutMs?: number | undefined;
  /** US dollars. */
  maxCostUsd?: number | undefined;
  maxTokens?: number | undefined;
  directory?: string | undefined;
  /** `provider/model`. */
  model?: string | undefined;
  agent?: string | undefined;
  /** Matrix user ids. */
  observers?: readonly string[] | undefined;
  continueTaskId?: string | undefined;
}

/** Refuses an input that cannot be run, by parameter name and value. */
export function validate(input: CreateTaskInput, limits: ExecutionLimits): void {
  const { description, timeoutMs, maxCostUsd, maxTokens, model } = input;
  if (description.trim() === '') {
    throw new BridgeError('INVALID_INPUT', '`task_description` is empty; say what is to be done.');
  }
  if (description.length > limits.maxDescriptionLength) {
    throw new BridgeError(
      'PAYLOAD_TOO_LARGE',
      `\`task_description\` has ${description.length} characters, at most ${limits.maxDescriptionLength} are taken.`,
      { next: 'Put long material into a file in the task directory and name the file.' },
    );
  }
  if (
    timeoutMs !== undefined &&
    !(Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= limits.maxTimeoutMs)
  ) {
    throw new BridgeError(
      'INVALID_INPUT',
      `\`timeout_ms\` ${timeoutMs} is not between 1 and ${limits.maxTimeoutMs}.`,
    );
  }
  if (maxCostUsd !== undefined && !(Number.isFinite(maxCostUsd) && maxCostUsd > 0)) {
    throw new BridgeError('INVALID_INPUT', `\`max_cost_usd\` ${maxCostUsd} is not more than 0.`);
  }
  if (maxTokens !== undefined && !(Number.isSafeInteger(maxTokens) && maxTokens > 0)) {
    throw new BridgeError('INVALID_INPUT', `\`max_tokens\` ${maxTokens} is not a whole number above 0.`);
  }
  if (model !== undefined && !/^[^/\s]+\/\S+$/.test(model)) {
    throw new BridgeError('INVALID_INPUT', `\`model\` ${quote(model)} is not of the form provider/model.`);
  }
  validateObservers(observersOf(input), input);
}

function validateObservers(users: readonly string[], { observers = [] }: CreateTaskInput): void {
  if (users.length > MAX_OBSERVERS) {
    throw new BridgeError(
      'INVALID_INPUT',
      `\`observers\` names ${users.length} users, at most ${MAX_OBSERVERS} are taken.`,
    );
  }
  const faults = users.flatMap((user) => {
    const fault = matrixUserFault(user);
    return fault === undefined ? [] : [`\`observers.${observers.indexOf(user)}\` ${quote(user)} ${fault}.`];
  });
  if (faults.length > 0) throw new BridgeError('INVALID_INPUT', faults.join(' '));
}

/** Who is to observe the task: each user once. */
export function observersOf({ observers = [] }: CreateTaskInput): string[] {
  return [...new Set(observers)];
}

/** Equal for orders that ask for the same. */
export function fingerprint(input: CreateTaskInput): string {
  const { description, timeoutMs, directory, model, agent, continueTaskId } = input;
  // Whom one names first makes no difference to who observes.
  const observers = observersOf(input).sort();
  const asked = [description, timeoutMs, directory, model, agent, observers, continueTaskId];
  // Only where they are given, so that an input without them is told by the print it always had.
  if (input.maxCostUsd !== undefined || input.maxTokens !== undefined) {
    asked.push(input.maxCostUsd, input.maxTokens);
  }
  return createHash('sha256')
    .update(JSON.stringify(asked.map((value) => value ?? null)))
    .digest('hex');
}
