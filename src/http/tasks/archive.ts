import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { defineRoute, NONE } from '../route.ts';
import { UNTRUSTED } from '../untrusted-content.ts';
import { taskParams } from './params.ts';

export const archiveRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}/archive',
  operationId: 'getArchive',
  summary: 'The files that a task added and modified, as a tar archive',
  about:
    'Links that lead out of the folder are left out. A file that changes meanwhile breaks the response off: an archive that ends is whole.',
  params: taskParams,
  query: z.strictObject({ all: z.boolean().default(false) }),
  body: NONE,
  success: [{ status: 200, about: 'The archive.', content: { 'application/x-tar': null } }],
  errors: ['TASK_NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'INVALID_STATE', 'NOT_FOUND'],
  async run({ services, agentId, params, query, req, res }) {
    const task = await services.execution.find(agentId, params.task_id);
    const archive = await services.execution.files.archive(task, query.all);
    res.attachment(`${task.id}.tar`).set({
      ...UNTRUSTED,
      'Cache-Control': 'no-store',
      'Content-Type': 'application/x-tar',
    });
    if (req.method === 'HEAD') {
      archive.destroy();
      return void res.end();
    }
    await pipeline(archive, res).catch(() => res.destroy());
    return undefined;
  },
});
