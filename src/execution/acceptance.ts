import type { EventOf } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { inheritedAgent, inheritedModel } from './admission.ts';
import { type CreateTaskInput, type ExecutionLimits, observersOf } from './create-task-input.ts';
import { modelConfigOf } from './model-config.ts';

/** An input that passed every check. */
export interface Acceptance {
  id: string;
  agentId: string;
  input: CreateTaskInput;
  fingerprint: string;
  /** `ours`: the bridge created it. */
  directory: { path: string; ours: boolean };
  /** The task that this one continues. */
  previous: Task | undefined;
}

/** The first event of the task. */
export function createdEvent(
  { agentId, input, directory, previous }: Acceptance,
  runner: string,
  limits: ExecutionLimits,
): EventOf<'created'> {
  return {
    kind: 'created',
    agent_id: agentId,
    description: input.description,
    runner,
    directory: directory.path,
    owns_directory: directory.ours,
    observers: observersOf(input),
    timeout_ms: input.timeoutMs ?? limits.defaultTimeoutMs,
    max_cost_usd: input.maxCostUsd ?? limits.defaultMaxCostUsd,
    max_tokens: input.maxTokens ?? limits.defaultMaxTokens,
    model: input.model ?? inheritedModel(previous),
    agent: input.agent ?? inheritedAgent(previous),
    model_config: modelConfigOf(input, previous),
    idempotency_key: input.idempotencyKey,
    callback_url: input.callbackUrl,
    request_id: input.origin?.requestId,
    traceparent: input.origin?.traceparent,
    continues: previous?.id,
    session_id: previous?.sessionId,
  };
}
