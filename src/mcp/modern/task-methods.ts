import {
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { Caller } from '../../api/caller.ts';
import { BridgeError, messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { isEnd, type Task, type TaskOwner } from '../../tasks/task.ts';
import { applyAnswer } from '../elicitation/apply-answer.ts';
import { formsAllowed } from '../elicitation/forms.ts';
import { textOf } from '../server.ts';
import type { ToolServices } from '../tool.ts';
import { featuresOf, requireTasks } from './extension.ts';
import type { InputKeys } from './input-keys.ts';
import { wireTask } from './wire-task.ts';

const params = z.looseObject({ taskId: z.string() });
const result = z.looseObject({});

export interface TaskMethodsOptions {
  services: ToolServices;
  keys: InputKeys;
  logger: Logger;
}

/** Adds the methods of the Tasks extension to the server of one request. */
export function addTaskMethods(server: Server, options: TaskMethodsOptions): void {
  const { services, keys, logger } = options;
  const add = (method: string, run: (task: Task, context: ServerContext) => Promise<object>): void => {
    server.setRequestHandler(method, { params, result }, async ({ taskId }, context) => {
      requireTasks(context);
      try {
        return { ...(await run(await services.execution.find(ownerIn(context), taskId), context)) };
      } catch (thrown) {
        throw protocolError(thrown, logger);
      }
    });
  };
  add('tasks/get', (task, context) => {
    const forms = featuresOf(context).forms && formsAllowed(services);
    return wireTask(task, { services, keys, forms });
  });
  add('tasks/update', async (task, { mcpReq }) => {
    for (const [key, given] of Object.entries(mcpReq.inputResponses ?? {})) {
      const request = task.requests.find(({ id }) => keys.of(task.id, id) === key);
      // One that is closed, or was answered under another key: the first answer has won.
      const outcome = request && (await applyAnswer(task, request, given, options));
      // An answer that cannot be used asks again: an error would end the task at its client.
      if (request && outcome === 'unusable') keys.renew(task.id, request.id);
    }
    return {};
  });
  add('tasks/cancel', async (task) => {
    await services.execution.cancel(task, task.agentId, undefined).catch(async (thrown: unknown) => {
      const now = await services.execution.get(task.id);
      // Cancelling what has ended is no error here.
      if (now && !isEnd(now.status)) throw thrown;
    });
    return {};
  });
}

/** Whose tasks a call may name. It has no `agent_id`, and no session remembers one. */
function ownerIn({ http }: ServerContext): TaskOwner {
  const token = textOf(http?.authInfo?.extra?.agentId);
  const header = http?.req?.headers.get('x-agent-id') ?? undefined;
  return new Caller().ownerById({ token, header });
}

/** An unknown task and one of another agent are the same error. */
function protocolError(thrown: unknown, logger: Logger): Error {
  if (thrown instanceof ProtocolError) return thrown;
  const error = toBridgeError(thrown);
  if (error.code === 'TASK_NOT_FOUND')
    return new ProtocolError(ProtocolErrorCode.InvalidParams, 'Task not found');
  if (error instanceof BridgeError && error.httpStatus < 500)
    return new ProtocolError(ProtocolErrorCode.InvalidParams, error.message);
  logger.error({ err: messageOf(error.cause ?? error) }, 'a method of Tasks failed');
  return new ProtocolError(ProtocolErrorCode.InternalError, error.message);
}
