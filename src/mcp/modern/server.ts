import {
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { Caller } from '../../api/caller.ts';
import { coerceArguments } from '../../api/coerce-arguments.ts';
import type { Logger } from '../../logger.ts';
import { isEnd } from '../../tasks/task.ts';
import { formsAllowed } from '../elicitation/forms.ts';
import { progressSender } from '../progress.ts';
import { RESOURCE_CAPABILITIES } from '../resource-methods.ts';
import { listed } from '../schema.ts';
import { answer, INSTRUCTIONS, infoOf, textOf, unknownTool } from '../server.ts';
import type { Tool, ToolCall, ToolServices } from '../tool.ts';
import { executeTask } from '../tools/execute-task.ts';
import { TOOLS } from '../tools/index.ts';
import { featuresOf, TASKS } from './extension.ts';
import type { InputKeys } from './input-keys.ts';
import { addResourceMethods } from './resource-methods.ts';
import { RoundTrip, type RoundTripCodec } from './round-trip.ts';
import { addTaskMethods } from './task-methods.ts';
import { TaskSeed, TaskServer } from './task-server.ts';
import { wireSeed } from './wire-task.ts';

export interface ModernServerOptions {
  services: ToolServices;
  logger: Logger;
  /** Aborts when the bridge stops: waiting calls answer with the current state and the reason. */
  ending: AbortSignal;
  keys: InputKeys;
  tools: ModernTools;
  /** Signs what a call that asks its client tells its next round. */
  codec: RoundTripCodec;
}

/** What is served: the same tools as in a session. */
export interface ModernTools {
  all: readonly Tool[];
  /** The names of those that hand a task over: a client with the Tasks extension gets the task itself. */
  withTask: readonly string[];
}

export const MODERN_TOOLS: ModernTools = { all: TOOLS, withTask: [executeTask.name] };

/** A schema as the types of this SDK have it. */
const schema = z.looseObject({
  type: z.literal('object'),
  properties: z.record(z.string(), z.json()).exactOptional(),
  required: z.array(z.string()).exactOptional(),
});

/** The list depends on the version of the bridge alone. */
const CACHE = { ttlMs: 300_000, cacheScope: 'public' } as const;

/** The server of one request; the SDK has refused one whose header names another method than its body. */
export function createModernServer(options: ModernServerOptions, method?: string | null): Server {
  const { services, tools } = options;
  const server = new TaskServer(infoOf(services), {
    capabilities: { tools: {}, ...RESOURCE_CAPABILITIES, extensions: { [TASKS]: {} } },
    instructions: INSTRUCTIONS,
    cacheHints: {
      'tools/list': CACHE,
      'prompts/list': CACHE,
      'resources/templates/list': CACHE,
      'server/discover': CACHE,
    },
    requestState: { verify: options.codec.verify },
  });
  server.setRequestHandler('tools/call', ({ params }, context) =>
    callTool(params.name, params.arguments ?? {}, context, options),
  );
  // Most requests are this one, and each handler takes time to add.
  if (method === 'tools/call') return server;
  server.setRequestHandler('tools/list', () => ({ tools: shownTools(tools) }));
  addTaskMethods(server, options);
  addResourceMethods(server, options);
  return server;
}

const shown = new WeakMap<ModernTools, ReturnType<typeof showTool>[]>();

function shownTools(tools: ModernTools): ReturnType<typeof showTool>[] {
  const list = shown.get(tools) ?? tools.all.map(showTool);
  shown.set(tools, list);
  return list;
}

function showTool(tool: Tool) {
  const { inputSchema, outputSchema, ...rest } = listed(tool);
  return { ...rest, inputSchema: schema.parse(inputSchema), outputSchema: schema.parse(outputSchema) };
}

async function callTool(
  name: string,
  given: Record<string, unknown>,
  context: ServerContext,
  options: ModernServerOptions,
) {
  const { services, logger, ending, keys, tools } = options;
  const tool = tools.all.find((one) => one.name === name);
  if (!tool) throw new ProtocolError(ProtocolErrorCode.InvalidParams, unknownTool(name));
  const round = new RoundTrip({ name, args: given }, context, options);
  const { args, hints } = coerceArguments(tool.input, given);
  const features = featuresOf(context);
  const forms = features.forms && formsAllowed(services);
  const withTask = features.tasks && tools.withTask.includes(name);
  // The Task is what the client waits for.
  if (withTask && 'sync' in tool.input.shape) args.sync = false;
  const call = callOf(services, args, context, ending);
  const { begun } = round;
  if (begun) await round.applyAnswers(call);
  // A client with Tasks is asked there.
  const asks = forms && !features.tasks;
  const result = await answer(
    tool,
    args,
    hints,
    { ...call, begun, ...(asks ? { forms: round } : {}) },
    logger,
  );
  const repeated = result.structuredContent?.repeated === true;
  const question = result.isError ? undefined : await round.question(repeated);
  if (question) return question;
  const taskId = withTask && !result.isError ? textOf(result.structuredContent?.task_id) : undefined;
  const task = taskId === undefined ? undefined : await services.execution.get(taskId);
  // A repeated call whose task has ended has its result already.
  if (!task || isEnd(task.status)) return result;
  throw new TaskSeed(await wireSeed(task, { services, keys, forms }, hints));
}

function callOf(
  services: ToolServices,
  args: Record<string, unknown>,
  { mcpReq, http }: ServerContext,
  ending: AbortSignal,
): ToolCall {
  const header = (name: string): string | undefined => http?.req?.headers.get(name) ?? undefined;
  const identity = {
    token: textOf(http?.authInfo?.extra?.agentId),
    header: header('x-agent-id'),
    argument: textOf(args.agent_id),
  };
  const streams = header('accept')?.includes('text/event-stream');
  return {
    services,
    origin: {
      requestId: header('x-request-id'),
      traceparent: mcpReq._meta?.traceparent ?? header('traceparent'),
    },
    signal: mcpReq.signal,
    ending,
    // No session remembers the agent of an earlier call.
    agentId: () => new Caller().resolve(identity),
    // The first notification turns the response into a stream, which not every client accepts.
    progress: progressSender(streams ? mcpReq._meta?.progressToken : undefined, (params) =>
      mcpReq.notify({ method: 'notifications/progress', params }),
    ),
  };
}
