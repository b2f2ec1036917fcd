import type { EventOf } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { inheritedAgent, inheritedModel } from './admission.ts';
import { type CreateTaskInput, type ExecutionLimits, observersOf } from './create-task-input.ts';

/** An order that nothing speaks against. */
export interface Acceptance {
  id: string;
  agentId: string;
  order: CreateTaskInput;
  print: string;
  directory: { path: string; ours: boolean };
  before: Task | undefined;
}

/** The first event of the task that an order becomes. */
export function createdEvent(
  { agentId, order, directory, before }: Acceptance,
  runner: string,
  limits: ExecutionLimits,
): EventOf<'created'> {
  return {
    kind: 'created',
    agent_id: agentId,
    description: order.description,
    runner,
    directory: directory.path,
    owns_directory: directory.ours,
    observers: observersOf(order),
    timeout_ms: order.timeoutMs ?? limits.defaultTimeoutMs,
    max_cost_usd: order.maxCostUsd ?? limits.defaultMaxCostUsd,
    max_tokens: order.maxTokens ?? limits.defaultMaxTokens,
    model: order.model ?? inheritedModel(before),
    agent: order.agent ?? inheritedAgent(before),
    idempotency_key: order.idempotencyKey,
    continues: before?.id,
    session_id: before?.sessionId,
  };
}
