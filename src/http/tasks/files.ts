import { z } from 'zod';
import { path } from '../../api/inputs.ts';
import { changesPage, folderPage } from '../../api/list-files.ts';
import { fileChangeSchema } from '../../tasks/events.ts';
import { defineRoute, NONE } from '../route.ts';
import { taskParams } from './params.ts';

/** JSON characters of the rows of one answer. */
const MAX_ROWS = 500_000;
const directoryEntrySchema = z.object({
  path: z.string(),
  type: z.enum(['file', 'directory', 'symlink']),
  size: z.number(),
});

export const filesRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}/files',
  operationId: 'listFiles',
  summary: 'What a task changed, or what is in a folder of it',
  about:
    'Without `path` the changed files, with `path` the entries of that folder; `.` is the task’s own folder.',
  params: taskParams,
  query: z.strictObject({ path: path.optional(), cursor: z.int().min(0).max(99_999_999).default(0) }),
  body: NONE,
  success: [
    {
      status: 200,
      about: 'A page of rows.',
      content: {
        'application/json': z.object({
          task_id: z.string(),
          directory: z.string(),
          changes: z.array(fileChangeSchema).optional(),
          total: z.number().optional(),
          entries: z.array(directoryEntrySchema).optional(),
          next_cursor: z.number().optional(),
        }),
      },
    },
  ],
  errors: ['TASK_NOT_FOUND', 'FILE_NOT_FOUND', 'INVALID_STATE', 'NOT_FOUND'],
  async run({ services, agentId, params, query }) {
    const task = await services.execution.find(agentId, params.task_id);
    const head = { task_id: task.id, directory: task.directory };
    if (query.path !== undefined) {
      const { rows: entries, next } = await folderPage(task, query.path, query.cursor, MAX_ROWS, services);
      return { json: { ...head, entries, next_cursor: next } };
    }
    const {
      rows: changes,
      next,
      total,
    } = await changesPage(task, undefined, query.cursor, MAX_ROWS, services);
    return { json: { ...head, changes, total, next_cursor: next } };
  },
});
