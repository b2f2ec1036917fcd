import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type RequestId,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import { z } from 'zod';
import { Caller } from '../api/caller.ts';
import { coerceArguments } from '../api/coerce-arguments.ts';
import { quote, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { wellFormed } from '../text.ts';
import { answerResult } from './answer-result.ts';
import { type Forms, formsAllowed } from './elicitation/forms.ts';
import { type SendForm, SessionForms } from './elicitation/session-forms.ts';
import { errorResult } from './error-result.ts';
import { ICONS } from './icon.ts';
import { progressSender } from './progress.ts';
import { addResourceMethods, RESOURCE_CAPABILITIES } from './resource-methods.ts';
import { listed } from './schema.ts';
import { textOf } from './text-of.ts';
import type { Tool, ToolAnswer, ToolCall, ToolServices } from './tool.ts';
import { TOOLS } from './tools/index.ts';

export { textOf };

/** The longest delay of a timer. */
const NO_TIMEOUT_MS = 2_147_483_647;

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

export const INSTRUCTIONS = `Hands coding work to OpenCode, which does it on its own and reports what it really did.
1. opencode_execute_task with a complete task_description answers at once with a task_id; sync=true waits up to 50 s. Give an idempotency_key, so that a repeated call does not do the work twice.
2. get_task_status with wait_ms 50000 waits for the next change. Repeat until status is completed, failed, timeout or cancelled.
3. input_required means the agent asks: answer_task_request with the request_id. Unanswered requests are rejected at expires_at.
4. get_task_files and read_task_file show what was made; get_task_history what happened.
5. send_task_message steers a running task. To go on after its end: opencode_execute_task with continue_task_id.
You see only tasks of your own agent_id; use the same one in every call.`;

/** Shared by all sessions: creating one is the slowest step of starting a session. */
const VALIDATOR = new AjvJsonSchemaValidator();
const LISTED = TOOLS.map(listed);

/**
 * The MCP server of one session; the only place that turns errors into results. When `ending` aborts, waiting calls
 * answer with the current state and its reason. `reaches` tells whether a call's response can carry requests.
 */
export function createMcpServer(
  services: ToolServices,
  logger: Logger,
  ending: AbortSignal = new AbortController().signal,
  caller = new Caller(),
  reaches: (call: RequestId) => boolean = () => true,
): Server {
  const server = new Server(
    { ...infoOf(services), icons: ICONS },
    {
      capabilities: { tools: {}, ...RESOURCE_CAPABILITIES },
      instructions: INSTRUCTIONS,
      jsonSchemaValidator: VALIDATOR,
    },
  );
  const forms = new SessionForms({ services, logger });
  const formsOf = (extra: Extra): Forms | undefined => {
    const can = server.getClientCapabilities()?.elicitation?.form !== undefined;
    return can && formsAllowed(services) && reaches(extra.requestId)
      ? forms.over(sendForm(extra))
      : undefined;
  };
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: LISTED }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = TOOLS.find(({ name }) => name === params.name);
    if (!tool) throw new McpError(ErrorCode.InvalidParams, unknownTool(params.name));
    const { args, hints } = coerceArguments(tool.input, params.arguments ?? {});
    const call = { ...callOf(services, caller, args, extra, ending), forms: formsOf(extra) };
    return answer(tool, args, hints, call, logger);
  });
  addResourceMethods(server, services, logger, caller);
  return server;
}

/** A form has no time limit of its own: the call that waits withdraws it. */
function sendForm({ sendRequest }: Extra): SendForm {
  return (form, signal) => sendRequest(form, z.looseObject({}), { signal, timeout: NO_TIMEOUT_MS });
}

export function infoOf({ version }: ToolServices) {
  return { name: 'letta-opencode-plugin', title: 'OpenCode bridge', version };
}

export function unknownTool(name: string): string {
  const known = TOOLS.map((tool) => tool.name).join(', ');
  return `Unknown tool ${quote(name)}. Known are: ${known}.`;
}

/** Runs a tool; an error becomes a result, for clients of either era. */
export async function answer(
  tool: Tool,
  args: Record<string, unknown>,
  hints: readonly string[],
  call: ToolCall,
  logger: Logger,
): Promise<CallToolResult> {
  const began = performance.now();
  const { services, origin } = call;
  const fields = { requestId: origin.requestId, tool: tool.name, taskId: textOf(args.task_id) };
  const report = (result: string): void => {
    const ms = performance.now() - began;
    services.onToolCall?.(tool.name, result, ms);
    logger.debug({ ...fields, result, ms: Math.round(ms) }, 'a tool call');
  };
  try {
    const answered = await tool.answer(args, call);
    report('ok');
    return wellFormed(answerResult(withReason(answered, call.ending), hints));
  } catch (thrown) {
    const error = toBridgeError(thrown);
    report(error.code);
    if (error.code === 'INTERNAL') logger.error({ ...fields, err: causeOf(thrown) }, 'a tool call failed');
    return wellFormed(errorResult(error));
  }
}

/** Says in both forms why the call stopped waiting, before what to do next. */
function withReason(answer: ToolAnswer, { aborted, reason }: AbortSignal): ToolAnswer {
  const { structured, text } = answer;
  const { next } = structured;
  if (!aborted || typeof reason !== 'string' || typeof next !== 'string') return answer;
  return { ...answer, structured: { ...structured, next: `${reason} ${next}` }, text: `${text}\n${reason}` };
}

function callOf(
  services: ToolServices,
  caller: Caller,
  args: Record<string, unknown>,
  extra: Extra,
  ending: AbortSignal,
): ToolCall {
  const identity = {
    token: textOf(extra.authInfo?.extra?.agentId),
    header: textOf(extra.requestInfo?.headers['x-agent-id']),
    argument: textOf(args.agent_id),
  };
  return {
    services,
    origin: {
      requestId: textOf(extra.requestInfo?.headers['x-request-id']),
      traceparent: extra._meta?.traceparent ?? extra.requestInfo?.headers.traceparent,
    },
    signal: extra.signal,
    ending,
    agentId: () => caller.resolve(identity),
    progress: progressSender(extra._meta?.progressToken, (params) =>
      extra.sendNotification({ method: 'notifications/progress', params }),
    ),
  };
}

function causeOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
