import { createHash } from 'node:crypto';
import { BridgeError, quote } from '../errors.ts';
import type { ModelConfig } from '../tasks/model-config.ts';

export interface ExecutionLimits {
  maxConcurrent: number;
  maxQueued: number;
  /** Per agent; absent: maxQueued. */
  maxQueuedPerAgent?: number | undefined;
  defaultTimeoutMs: number;
  maxTimeoutMs: number;
  /** Used if the input has none; absent: no limit. */
  defaultMaxCostUsd?: number | undefined;
  defaultMaxTokens?: number | undefined;
  maxDescriptionLength: number;
}

/** What a caller asks for. */
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
  /** Checked by the caller for its form; the runner says whether it is possible. */
  modelConfig?: ModelConfig | undefined;
  /** Matrix user ids, checked by the caller. */
  observers?: readonly string[] | undefined;
  continueTaskId?: string | undefined;
  /** Where the task's events are sent to, checked by the caller. */
  callbackUrl?: string | undefined;
  /** The request that this is; a repeat has others. */
  origin?: RequestOrigin | undefined;
}

/** Where a request comes from: nothing that changes what is asked for. */
interface RequestOrigin {
  requestId?: string | undefined;
  /** As W3C Trace Context has it. */
  traceparent?: string | undefined;
}

/** Throws INVALID_INPUT or PAYLOAD_TOO_LARGE with the name and value of the parameter. */
export function validate(input: CreateTaskInput, limits: ExecutionLimits): void {
  const { description, timeoutMs, maxCostUsd, maxTokens, model } = input;
  if (description.trim() === '') {
    throw new BridgeError('INVALID_INPUT', '`task_description` is empty; write what has to be done.');
  }
  if (description.length > limits.maxDescriptionLength) {
    throw new BridgeError(
      'PAYLOAD_TOO_LARGE',
      `\`task_description\` has ${description.length} characters, at most ${limits.maxDescriptionLength} are allowed.`,
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
}

/** The observers, each user once. */
export function observersOf({ observers = [] }: CreateTaskInput): string[] {
  return [...new Set(observers)];
}

/** Equal for inputs that ask for the same. */
export function fingerprint(input: CreateTaskInput): string {
  const { description, timeoutMs, directory, model, agent, continueTaskId } = input;
  // The order of observers has no meaning.
  const observers = observersOf(input).sort();
  const values = [description, timeoutMs, directory, model, agent, observers, continueTaskId];
  // Only if they are given: an input without them keeps the fingerprint of earlier versions.
  const { maxCostUsd, maxTokens, callbackUrl } = input;
  const modelConfig = modelConfigValues(input);
  const isGiven = (value: unknown): boolean => value !== undefined;
  if ([maxCostUsd, maxTokens, callbackUrl, modelConfig].some(isGiven)) values.push(maxCostUsd, maxTokens);
  if ([callbackUrl, modelConfig].some(isGiven)) values.push(callbackUrl);
  if (modelConfig !== undefined) values.push(modelConfig);
  return createHash('sha256')
    .update(JSON.stringify(values.map((value) => value ?? null)))
    .digest('hex');
}

/** The order of tools has no meaning. */
function modelConfigValues({ modelConfig }: CreateTaskInput): string | undefined {
  if (modelConfig === undefined) return undefined;
  const { temperature, max_tokens, system_prompt, enabled_tools } = modelConfig;
  return JSON.stringify([temperature, max_tokens, system_prompt, enabled_tools?.toSorted()]);
}
