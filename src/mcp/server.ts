import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import { Caller } from '../api/caller.ts';
import { coerceArguments } from '../api/coerce-arguments.ts';
import { quote, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { wellFormed } from '../text.ts';
import { answerResult } from './answer-result.ts';
import { errorResult } from './error-result.ts';
import { progressSender } from './progress.ts';
import { listed } from './schema.ts';
import type { Tool, ToolAnswer, ToolCall, ToolServices } from './tool.ts';
import { TOOLS } from './tools/index.ts';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

const INSTRUCTIONS = `Hands coding work to OpenCode, which does it on its own and reports what it really did.
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
 * answer with the current state and its reason.
 */
export function createMcpServer(
  services: ToolServices,
  logger: Logger,
  ending: AbortSignal = new AbortController().signal,
): Server {
  const caller = new Caller();
  const info = { name: 'letta-opencode-plugin', title: 'OpenCode bridge', version: services.version };
  const server = new Server(info, {
    capabilities: { tools: {} },
    instructions: INSTRUCTIONS,
    jsonSchemaValidator: VALIDATOR,
  });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: LISTED }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = TOOLS.find(({ name }) => name === params.name) ?? refuseTool(params.name);
    const { args, hints } = coerceArguments(tool.input, params.arguments ?? {});
    return answer(tool, args, hints, callOf(services, caller, args, extra, ending), logger);
  });
  return server;
}

function refuseTool(name: string): never {
  const known = TOOLS.map((tool) => tool.name).join(', ');
  throw new McpError(ErrorCode.InvalidParams, `Unknown tool ${quote(name)}. Known are: ${known}.`);
}

async function answer(
  tool: Tool,
  args: Record<string, unknown>,
  hints: readonly string[],
  call: ToolCall,
  logger: Logger,
): Promise<CallToolResult> {
  const began = performance.now();
  const report = (result: string): void =>
    call.services.onToolCall?.(tool.name, result, performance.now() - began);
  try {
    const answered = await tool.answer(args, call);
    report('ok');
    return wellFormed(answerResult(withReason(answered, call.ending), hints));
  } catch (thrown) {
    const error = toBridgeError(thrown);
    report(error.code);
    const fields = { tool: tool.name, taskId: textOf(args.task_id), code: error.code };
    if (error.code === 'INTERNAL') logger.error({ ...fields, err: causeOf(thrown) }, 'a tool call failed');
    else logger.debug(fields, 'a tool call was refused');
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
    signal: extra.signal,
    ending,
    agentId: () => caller.resolve(identity),
    progress: progressSender(extra._meta?.progressToken, (params) =>
      extra.sendNotification({ method: 'notifications/progress', params }),
    ),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function causeOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
