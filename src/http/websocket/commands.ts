import { z } from 'zod';
import { answerFields, answerRequest } from '../../api/answer-request.ts';
import { parseArguments } from '../../api/arguments.ts';
import { coerceArguments } from '../../api/coerce-arguments.ts';
import { type Control, controlTask } from '../../api/control-task.ts';
import { reason, shortText } from '../../api/inputs.ts';
import { messageFields, messageTask } from '../../api/message-task.ts';
import type { ApiServices } from '../../api/services.ts';
import { BridgeError, quote } from '../../errors.ts';
import type { Task } from '../../tasks/task.ts';
import { ROUTE_NAMES } from '../route-names.ts';

const record = z.record(z.string(), z.unknown());
const frameHead = z.object({ type: z.string(), id: z.union([z.string().max(200), z.number()]).optional() });

/** A frame of a client: `type` says what to do, `id` comes back in the answer. */
export interface ClientFrame {
  type: string;
  id: string | number | undefined;
  args: Record<string, unknown>;
}

/** Throws INVALID_INPUT for what is no frame. */
export function parseFrame(text: string): ClientFrame {
  const frame = record.safeParse(parseJson(text)).data ?? {};
  const head = frameHead.safeParse(frame);
  if (!head.success) throw invalid(`The frame ${quote(text)} is not a JSON object with a \`type\`.`);
  const { type: _type, id: _id, ...args } = frame;
  return { type: head.data.type, id: head.data.id, args };
}

type Run = (services: ApiServices, task: Task, args: Record<string, unknown>) => Promise<object>;

/** Does what the frame says, by the operation that REST and the tools use, and returns what it came to. */
export function runFrame({ type, args }: ClientFrame, services: ApiServices, task: Task): Promise<object> {
  const run = COMMANDS[type];
  if (!run) throw invalid(`\`type\` ${quote(type)} is not one of ${Object.keys(COMMANDS).join(', ')}.`);
  return run(services, task, args);
}

const control = (what: Control): Run => {
  const parse = parser(what, z.strictObject({ reason: reason.optional() }));
  return (services, task, args) => controlTask(services, task, what, parse(args).reason, ROUTE_NAMES);
};
const parseMessage = parser('message', z.strictObject(messageFields));
const parseAnswer = parser('answer', z.strictObject({ request_id: shortText, ...answerFields }));

const COMMANDS: Partial<Record<string, Run>> = {
  message: (services, task, args) => messageTask(services, task, parseMessage(args)),
  cancel: control('cancel'),
  pause: control('pause'),
  resume: control('resume'),
  answer: (services, task, args) => {
    const { request_id, ...answer } = parseAnswer(args);
    return answerRequest(services, task, request_id, answer, ROUTE_NAMES);
  },
};

function parser<S extends z.ZodObject>(type: string, schema: S) {
  return (args: Record<string, unknown>): z.output<S> =>
    parseArguments(`a frame of type ${type}`, schema, coerceArguments(schema, args).args);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(message: string): BridgeError {
  return new BridgeError('INVALID_INPUT', message, {
    next: 'Send {"type": "message" | "cancel" | "pause" | "resume" | "answer", "id": …} as text.',
  });
}
