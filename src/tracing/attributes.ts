import type { Attributes } from '@opentelemetry/api';
import type { TaskEvent, Usage } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';

// Names of https://opentelemetry.io/docs/specs/semconv/gen-ai/ where there is one. Never a text of a person, the model
// or a command: who may read traces may not be who may read tasks.

export function taskAttributes({ id, agentId, runner, model, continues }: Task): Attributes {
  return {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'opencode',
    'opencode_bridge.task.id': id,
    'opencode_bridge.agent.id': agentId,
    'opencode_bridge.runner': runner,
    ...modelAttributes(model),
    ...(continues !== undefined && { 'opencode_bridge.task.continues': continues }),
  };
}

/** `provider/model`. */
export function modelAttributes(name: string | undefined): Attributes {
  const [, provider, model] = /^([^/]+)\/(.+)$/.exec(name ?? '') ?? [];
  if (provider === undefined || model === undefined) return {};
  return { 'gen_ai.provider.name': provider, 'gen_ai.request.model': model };
}

/** What was used since `before`. */
export function usageAttributes(usage: Usage, before: Usage): Attributes {
  const since = (field: keyof Usage): number => Math.max(0, usage[field] - before[field]);
  return {
    'gen_ai.usage.input_tokens': since('input_tokens') + since('cache_read_tokens'),
    'gen_ai.usage.output_tokens': since('output_tokens') + since('reasoning_tokens'),
    'gen_ai.usage.cache_read.input_tokens': since('cache_read_tokens'),
    'opencode_bridge.cost_usd': since('cost_usd'),
  };
}

/** Why a task did not complete; undefined if it did, or was cancelled. */
export function errorOf(event: TaskEvent): string | undefined {
  return event.kind === 'failed' || event.kind === 'timeout' ? event.error.code : undefined;
}
