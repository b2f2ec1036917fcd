import { z } from 'zod';
import { createTask, createTaskFields } from '../../api/create-task.ts';
import { shortText } from '../../api/inputs.ts';
import { modelConfigInput } from '../../api/model-config.ts';
import { outcomeFields, viewOutcome } from '../../api/task-view.ts';
import { BridgeError, quote } from '../../errors.ts';
import { requestIdOf } from '../request-id.ts';
import { defineRoute, NONE } from '../route.ts';
import { ROUTE_NAMES } from '../route-names.ts';

const { task_description, ...others } = createTaskFields;

const body = z.strictObject({
  task_description: task_description.optional(),
  ...others,
  task_id: shortText.optional(),
  code: z.string().optional(),
  context: z.string().optional(),
  model_config: modelConfigInput.optional(),
});
type Body = z.output<typeof body>;

/** Hands a task over; takes the fields of the tool and those of the paper. */
export const executeRoute = defineRoute({
  method: 'post',
  path: '/tasks/execute',
  operationId: 'executeTask',
  summary: 'Hand over a task',
  about:
    'Stores the task and starts it when there is room. Say what to do in `task_description`, or in `code` with `context`.',
  params: NONE,
  query: NONE,
  body,
  needsBody: true,
  requestHeaders: {
    'Idempotency-Key': 'As `idempotency_key`: the same key and request within 24 h return the same task.',
  },
  success: [
    {
      status: 202,
      about: 'The task is stored.',
      content: {
        'application/json': z.object({ execution_id: z.string(), ...outcomeFields, repeated: z.boolean() }),
      },
      headers: { Location: 'The path of the task.' },
    },
  ],
  errors: [
    'TASK_NOT_FOUND',
    'IDEMPOTENCY_CONFLICT',
    'INVALID_STATE',
    'PAYLOAD_TOO_LARGE',
    'QUEUE_FULL',
    'FORBIDDEN',
    'UNSUPPORTED',
  ],
  async run({ services, agentId, body: given, req }) {
    const { task_id: ownId, code: _code, context: _context, ...input } = given;
    if (agentId === undefined) throw needsAgent();
    const order = {
      ...input,
      task_description: descriptionOf(given),
      idempotency_key: keyOf(given, req.headers['idempotency-key']),
    };
    const accepted = await createTask(services, agentId, order, {
      requestId: requestIdOf(req),
      traceparent: req.headers.traceparent,
    });
    const outcome = await viewOutcome(accepted.task, services, ROUTE_NAMES);
    const { id } = accepted.task;
    return {
      status: 202,
      headers: { Location: `/tasks/${id}` },
      json: { ...outcome, execution_id: id, task_id: ownId ?? id, repeated: accepted.repeated },
    };
  },
});

function needsAgent(): BridgeError {
  return new BridgeError(
    'INVALID_INPUT',
    '`agent_id` "*" stands for all agents, and a task belongs to one.',
    {
      next: 'Name the agent, or leave agent_id out.',
    },
  );
}

/** `context`, then `code`, with a heading each; a task with `task_description` has neither. */
function descriptionOf({ task_description, code, context }: Body): string {
  if (task_description !== undefined) {
    if (code === undefined && context === undefined) return task_description;
    throw new BridgeError('INVALID_INPUT', '`task_description` is given together with `code` or `context`.', {
      next: 'Give task_description alone, or code with an optional context.',
    });
  }
  if (code === undefined) throw new BridgeError('INVALID_INPUT', '`task_description` is missing.');
  return context === undefined ? code : `Context:\n${context}\n\nTask:\n${code}`;
}

function keyOf({ idempotency_key, task_id }: Body, header: unknown): string | undefined {
  if (header === undefined) return idempotency_key ?? task_id;
  const key = shortText.safeParse(header);
  if (!key.success) {
    throw new BridgeError(
      'INVALID_INPUT',
      `The Idempotency-Key header ${quote(header)} has not 1 to 200 characters.`,
    );
  }
  if (idempotency_key === undefined || idempotency_key === key.data) return key.data;
  throw new BridgeError(
    'INVALID_INPUT',
    `The Idempotency-Key header ${quote(key.data)} and \`idempotency_key\` ${quote(idempotency_key)} differ.`,
    { next: 'Give the key once.' },
  );
}
