import { z } from 'zod';
import { path } from '../../api/inputs.ts';
import { taskOptions, taskOptionsSchema } from '../../api/task-options.ts';
import { defineRoute, NONE } from '../route.ts';

export const optionsRoute = defineRoute({
  method: 'get',
  path: '/options',
  operationId: 'getOptions',
  summary: 'What a new task can be given here',
  about:
    "Directories, limits, and the models and agents in OpenCode's own lists. A list that is not known is absent; any name can be tried then.",
  params: NONE,
  query: z.strictObject({ directory: path.optional() }),
  body: NONE,
  success: [{ status: 200, about: 'The options.', content: { 'application/json': taskOptionsSchema } }],
  errors: [],
  async run({ services, agentId, query }) {
    return { json: await taskOptions(services, agentId, query.directory) };
  },
});
