import { z } from 'zod';
import { answerRequest } from '../../api/answer-request.ts';
import { waitForTask } from '../../api/wait-for-task.ts';
import { messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import type { ToolServices } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';
import { answerOf } from './form.ts';
import { type FormOutcome, isClosed } from './forms.ts';

/** What a client sends for a form. */
const response = z.object({
  action: z.enum(['accept', 'decline', 'cancel']),
  content: z.unknown().optional(),
});

const DECLINED = { reply: 'reject', message: 'Declined by the user. Continue without it.' } as const;
const CLOSED: readonly string[] = ['REQUEST_CLOSED', 'REQUEST_NOT_FOUND', 'INVALID_STATE'];
/** How long another answer may take that is on its way to OpenCode. */
const CLOSING_MS = 5_000;

interface ApplyOptions {
  services: ToolServices;
  logger: Logger;
}

/** Gives the agent what the client's user answered, unless another answer was first. */
export async function applyAnswer(
  task: Task,
  request: InputRequest,
  given: unknown,
  { services, logger }: ApplyOptions,
): Promise<FormOutcome> {
  const { action, content } = response.safeParse(given).data ?? {};
  // Who closes a form does not decide: the request stays open for others, and for its deadline.
  if (action === 'cancel') return 'dismissed';
  const answer = action === 'decline' ? DECLINED : answerOf(request, content);
  if (!answer) return 'unusable';
  try {
    await answerRequest(services, task, request.id, answer, TOOL_NAMES);
    return 'answered';
  } catch (thrown) {
    const { code } = toBridgeError(thrown);
    logger.debug({ taskId: task.id, requestId: request.id, err: messageOf(thrown) }, 'a form was not used');
    if (!CLOSED.includes(code)) return 'unusable';
    await closing(task, request, services);
    return 'closed';
  }
}

/** Resolves once the answer that was first has closed the request. */
async function closing(task: Task, request: InputRequest, services: ToolServices): Promise<void> {
  const closed = (now: Task): boolean => isClosed(now, request);
  const options = { afterSeq: task.lastSeq, ms: CLOSING_MS, isOver: closed, signal: NEVER };
  // A task that is removed meanwhile asks nothing.
  await waitForTask(task, services, options).catch(() => undefined);
}

const NEVER = new AbortController().signal;
