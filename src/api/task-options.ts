import { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { TaskOwner } from '../tasks/task.ts';
import type { ApiServices } from './services.ts';

const modelSchema = z.object({
  id: z.string().describe('`provider/model`.'),
  name: z.string().describe('Its name for people.'),
  provider: z.string().describe('The name of its provider for people.'),
});
const agentSchema = z.object({
  name: z.string().describe('The name to give as `agent`.'),
  description: z.string().optional().describe('What it is for.'),
});

/** What POST /tasks/execute accepts here. A list that is absent is not known. */
export const taskOptionsSchema = z.object({
  directories: z.object({ roots: z.array(z.string()), suggestions: z.array(z.string()) }),
  models: z.array(modelSchema).optional(),
  default_model: z.string().optional(),
  agents: z.array(agentSchema).optional(),
  default_agent: z.string().optional(),
  lists_missing: z.string().optional(),
  limits: z.object({
    timeout_ms: z.object({ default: z.number(), max: z.number() }),
    max_cost_usd: z.object({ default: z.number().optional() }),
    max_tokens: z.object({ default: z.number().optional() }),
    max_description_length: z.number(),
    max_concurrent: z.number(),
    max_queued: z.number(),
    max_queued_per_agent: z.number().optional(),
  }),
});

export async function taskOptions(
  { execution }: ApiServices,
  owner: TaskOwner,
  directory: string | undefined,
): Promise<z.output<typeof taskOptionsSchema>> {
  const { roots, recent, choices, failure, defaults, limits } = await execution.options(owner, directory);
  return {
    directories: { roots: [...roots], suggestions: recent },
    models: choices?.models,
    default_model: defaults.model ?? choices?.model,
    agents: choices?.agents,
    default_agent: defaults.agent ?? choices?.agent,
    lists_missing: failure === undefined ? undefined : messageOf(failure),
    limits: {
      timeout_ms: { default: limits.defaultTimeoutMs, max: limits.maxTimeoutMs },
      max_cost_usd: { default: limits.defaultMaxCostUsd },
      max_tokens: { default: limits.defaultMaxTokens },
      max_description_length: limits.maxDescriptionLength,
      max_concurrent: limits.maxConcurrent,
      max_queued: limits.maxQueued,
      max_queued_per_agent: limits.maxQueuedPerAgent,
    },
  };
}
