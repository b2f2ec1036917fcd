import { z } from 'zod';
import { path } from '../../api/inputs.ts';
import { patchFrom } from '../../api/list-files.ts';
import { defineRoute, NONE } from '../route.ts';
import { UNTRUSTED } from '../untrusted-content.ts';
import { taskParams } from './params.ts';

const MAX_BYTES = 10_000_000;

export const diffRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}/diff',
  operationId: 'getDiff',
  summary: 'What a task changed, as a unified diff',
  params: taskParams,
  query: z.strictObject({
    path: path.optional(),
    offset: z.int().min(0).default(0),
    limit: z.int().min(1).max(MAX_BYTES).default(MAX_BYTES),
  }),
  body: NONE,
  success: [
    {
      status: 200,
      about: 'The diff; empty if nothing changed.',
      content: { 'text/x-diff': null },
      headers: { 'Next-Offset': 'The `offset` with which the diff continues; absent at its end.' },
    },
  ],
  errors: ['TASK_NOT_FOUND', 'INVALID_STATE', 'NOT_FOUND'],
  async run({ services, agentId, params, query, res }) {
    const task = await services.execution.find(agentId, params.task_id);
    const { patch, truncated, end } = await patchFrom(task, query.path, query.limit, query.offset, services);
    if (truncated) res.set('Next-Offset', String(end));
    res
      .set({ ...UNTRUSTED, 'Cache-Control': 'no-store' })
      .type('text/x-diff; charset=utf-8')
      .send(patch);
    return undefined;
  },
});
