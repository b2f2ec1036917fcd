import { z } from 'zod';
import type { Accepted } from '../execution/intake.ts';
import { formatTraceparent, parseTraceparent } from '../tasks/trace-context.ts';
import { requireCallbackUrl } from './callback-url.ts';
import { path, shortText, taskId } from './inputs.ts';
import { type ModelConfigInput, modelChoice } from './model-config.ts';
import { requireObservers } from './observers.ts';
import type { ApiServices } from './services.ts';

/** More than any task uses. */
const MAX_TOKENS = 1_000_000_000;

/** What a caller says about a new task. */
export const createTaskFields = {
  task_description: z.string(),
  idempotency_key: shortText.optional().describe('Same key, same task'),
  timeout_ms: z.int().min(1).optional(),
  max_cost_usd: z.number().positive().optional(),
  max_tokens: z.int().min(1).max(MAX_TOKENS).optional(),
  directory: path.optional().describe('Default: a new folder'),
  model: shortText.optional().describe('provider/model'),
  agent: shortText.optional(),
  observers: z.array(z.string()).optional().describe('@user:server'),
  continue_task_id: taskId.optional().describe('Task to go on from'),
  callback_url: z.string().optional(),
};
type CreateTask = z.output<z.ZodObject<typeof createTaskFields>>;

/** `model_config` is taken by the task API only: the list of tools is as short as it can be. */
type Order = CreateTask & { model_config?: ModelConfigInput | undefined };

/** Hands a task over to OpenCode; a repeat of its idempotency key returns the task of the first call. */
export async function createTask(
  services: ApiServices,
  agentId: string,
  input: Order,
  origin: { requestId?: string | undefined; traceparent?: unknown } = {},
): Promise<Accepted> {
  requireObservers(input.observers);
  requireCallbackUrl(input.callback_url, services);
  const { model, modelConfig } = modelChoice(input.model, input.model_config);
  return services.execution.execute(agentId, {
    description: input.task_description,
    idempotencyKey: input.idempotency_key,
    timeoutMs: input.timeout_ms,
    maxCostUsd: input.max_cost_usd,
    maxTokens: input.max_tokens,
    directory: input.directory,
    model,
    agent: input.agent,
    modelConfig,
    observers: input.observers,
    continueTaskId: input.continue_task_id,
    callbackUrl: input.callback_url,
    origin: { requestId: origin.requestId, traceparent: validTraceparent(origin.traceparent) },
  });
}

/** Without what a later version of the header may have behind its ids. One that is none is ignored, as the specification asks for. */
function validTraceparent(given: unknown): string | undefined {
  const ids = parseTraceparent(given);
  return ids && formatTraceparent(ids);
}
