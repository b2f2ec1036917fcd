import { z } from 'zod';
import { CLAMPED } from '../../api/coerce-arguments.ts';
import { lastEvents } from '../../api/last-events.ts';
import { taskFields, viewTask } from '../../api/task-view.ts';
import { changedSince, waitForTask } from '../../api/wait-for-task.ts';
import { modelConfigSchema } from '../../tasks/model-config.ts';
import { usedMs } from '../../tasks/task.ts';
import { defineRoute, NONE } from '../route.ts';
import { ROUTE_NAMES } from '../route-names.ts';
import { taskParams } from './params.ts';

/** Proxies commonly cut a request that is silent for 60 s. */
const MAX_WAIT_MS = 50_000;

/** Everything that is known of a task. */
export const taskSchema = z.object({
  ...taskFields,
  agent_id: z.string(),
  description: z.string(),
  runner: z.string(),
  model: z.string().optional(),
  agent: z.string().optional(),
  model_config: modelConfigSchema.optional(),
  continues: z.string().optional(),
  observers: z.array(z.string()),
  limits: z.object({
    timeout_ms: z.number(),
    max_cost_usd: z.number().optional(),
    max_tokens: z.number().optional(),
  }),
  used_ms: z.number(),
  last_events: z.array(z.string()),
});

export const taskRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}',
  operationId: 'getTask',
  summary: 'A task with everything that is known of it',
  params: taskParams,
  query: NONE,
  body: NONE,
  success: [{ status: 200, about: 'The task.', content: { 'application/json': taskSchema } }],
  errors: ['TASK_NOT_FOUND'],
  async run({ services, agentId, params }) {
    const task = await services.execution.find(agentId, params.task_id);
    const { agentId: agent_id, description, runner, model, agent, continues, observers, limits } = task;
    const { modelConfig: model_config } = task;
    return {
      json: {
        ...(await viewTask(task, services, ROUTE_NAMES)),
        ...{ agent_id, description, runner, model, agent, model_config, continues, observers },
        limits: {
          timeout_ms: limits.timeoutMs,
          max_cost_usd: limits.maxCostUsd,
          max_tokens: limits.maxTokens,
        },
        used_ms: usedMs(task, Date.now()),
        last_events: await lastEvents(task, services),
      },
    };
  },
});

const { task_id, status, progress, queue_position, requests, next, last_seq } = taskFields;

export const statusRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}/status',
  operationId: 'getTaskStatus',
  summary: 'Where a task stands, in short',
  about:
    'With `wait_ms` the answer comes as soon as the status changes, the task asks something or has ended.',
  params: taskParams,
  query: z.strictObject({
    wait_ms: z.int().min(0).max(MAX_WAIT_MS).register(CLAMPED, { max: MAX_WAIT_MS }).default(0),
  }),
  body: NONE,
  success: [
    {
      status: 200,
      about: 'The status.',
      content: {
        'application/json': z.object({
          execution_id: z.string(),
          task_id,
          status,
          progress,
          queue_position,
          requests,
          last_seq,
          next,
        }),
      },
    },
  ],
  errors: ['TASK_NOT_FOUND'],
  async run({ services, agentId, params, query, signal, ending }) {
    const before = await services.execution.find(agentId, params.task_id);
    const wait = { afterSeq: before.lastSeq, ms: query.wait_ms, isOver: changedSince(before) };
    const task =
      query.wait_ms === 0
        ? before
        : await waitForTask(before, services, { ...wait, signal: AbortSignal.any([signal, ending]) });
    const view = await viewTask(task, services, ROUTE_NAMES);
    return {
      json: {
        execution_id: view.task_id,
        task_id: view.task_id,
        status: view.status,
        progress: view.progress,
        queue_position: view.queue_position,
        requests: view.requests,
        last_seq: view.last_seq,
        next: view.next,
      },
    };
  },
});
