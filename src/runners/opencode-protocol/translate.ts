import { relative, sep } from 'node:path';
import { quote, toBridgeError } from '../../errors.ts';
import type { InputRequest, TaskError, TaskEventBody, Usage } from '../../tasks/events.ts';
import { NO_USAGE } from '../../tasks/events.ts';
import { cut, head, tail } from '../../text.ts';
import type { TurnOutcome } from '../runner.ts';
import type {
  AssistantMessage,
  OpenCodeError,
  PermissionAsked,
  QuestionAsked,
  SessionStatus,
  ToolPart,
} from './wire.ts';

const TITLE_LIMIT = 200;
const OUTPUT_TAIL = 2_000;
/** OpenCode 1.18.33 shows only so much of the output of a running command, behind a mark. */
const RUNNING_OUTPUT_LIMIT = 30_000;
const LEFT_OUT = '...\n\n';
/** Sums of money are kept to a billionth of a dollar. */
const COST_PRECISION = 1e9;
/** Tools that write the file they name; git shows at the end what a shell changed. */
const WRITERS: ReadonlySet<string> = new Set(['write', 'edit', 'multiedit', 'patch']);

/** Tokens and money, of whatever it was used for. */
export type Spending = Pick<AssistantMessage, 'tokens' | 'cost'>;

/** The events of a tool call so far; a pending call has none. `parent`: the call whose subagent made it. */
export function toolEvents(part: ToolPart, directory: string, parent?: string): TaskEventBody[] {
  const { state, callID: call_id, tool } = part;
  const call = {
    kind: 'tool' as const,
    call_id,
    tool,
    ...(parent !== undefined && { parent_call_id: parent }),
  };
  if (state.status === 'pending') return [];
  if (state.status === 'running') return [{ ...call, phase: 'started', title: titleOf(part) }];
  const duration_ms = Math.max(0, Math.round(state.time.end - state.time.start));
  if (state.status === 'error') {
    const output = lastOf(state.error);
    return [{ ...call, phase: 'finished', title: titleOf(part), ok: false, output, duration_ms }];
  }
  const exit = state.metadata.exit;
  const exit_code = typeof exit === 'number' && Number.isInteger(exit) ? exit : undefined;
  const finished: TaskEventBody = {
    ...call,
    phase: 'finished',
    title: titleOf(part),
    ok: exit_code === undefined || exit_code === 0,
    output: lastOf(state.output),
    duration_ms,
    exit_code,
  };
  const path = state.input.filePath;
  if (!WRITERS.has(tool) || typeof path !== 'string') return [finished];
  return [finished, { kind: 'file_changed', path: inside(directory, path), tool }];
}

/** What a command has printed so far; `isEnd`: only the end of it. */
export function outputSoFar({ state }: ToolPart): { text: string; isEnd: boolean } | undefined {
  if (state.status !== 'running' && state.status !== 'completed') return undefined;
  const output = state.metadata?.output;
  if (typeof output !== 'string') return undefined;
  const isEnd = output.length > RUNNING_OUTPUT_LIMIT && output.startsWith(LEFT_OUT);
  return { text: isEnd ? output.slice(LEFT_OUT.length) : output, isEnd };
}

function titleOf({ tool, state }: ToolPart): string {
  const { command, filePath, pattern, description, url } = state.input;
  const named = [command, filePath, pattern, description, url].find((value) => typeof value === 'string');
  const title = named ?? ('title' in state && state.title) ?? tool;
  return head(String(title || tool), TITLE_LIMIT);
}

function inside(directory: string, path: string): string {
  const name = relative(directory, path);
  return name.startsWith('..') || name === '' ? path : name.split(sep).join('/');
}

/** The last characters of a text, with an ellipsis where it was cut. */
function lastOf(output: string): string {
  return output.length > OUTPUT_TAIL ? `…${tail(output, OUTPUT_TAIL - 1)}` : output;
}

/** A permission that OpenCode asks for, as an input request of the task. */
export function permissionRequest(asked: PermissionAsked): InputRequest {
  const command = asked.metadata.command;
  const what = typeof command === 'string' ? command : asked.patterns.join(', ');
  return {
    id: asked.id,
    type: 'permission',
    title: head(`Allow ${asked.permission}: ${what}`, TITLE_LIMIT),
    permission: asked.permission,
    patterns: asked.patterns,
    session_id: asked.sessionID,
  };
}

/** A question of the agent, as an input request of the task. */
export function questionRequest(asked: QuestionAsked): InputRequest {
  return {
    id: asked.id,
    type: 'question',
    title: head(asked.questions[0]?.question ?? 'Question', TITLE_LIMIT),
    questions: asked.questions,
    session_id: asked.sessionID,
  };
}

/** The usage of assistant messages or steps, added to the usage before. */
export function sumUsage(messages: Iterable<Spending>, before: Usage = NO_USAGE): Usage {
  let sum = before;
  for (const { tokens, cost } of messages) {
    sum = {
      input_tokens: sum.input_tokens + tokens.input,
      output_tokens: sum.output_tokens + tokens.output,
      reasoning_tokens: sum.reasoning_tokens + tokens.reasoning,
      cache_read_tokens: sum.cache_read_tokens + tokens.cache.read,
      cache_write_tokens: sum.cache_write_tokens + tokens.cache.write,
      cost_usd: Math.round((sum.cost_usd + cost) * COST_PRECISION) / COST_PRECISION,
    };
  }
  return sum;
}

/** OpenCode's error as the task's: a stable code, OpenCode's message, and what to do. */
export function taskError(error: OpenCodeError): TaskError {
  const status = error.data?.statusCode;
  const [line = error.name] = (error.data?.message ?? error.name).split('\n');
  const message = line.replace(/^\w*Error: (?=.)/, '');
  switch (error.name) {
    case 'ProviderAuthError':
      return providerAuth(message);
    case 'APIError':
      if (status === 401 || status === 403) return providerAuth(`HTTP ${status}: ${message}`);
      return {
        code: 'PROVIDER_ERROR',
        message: `The model's provider answered ${status === undefined ? '' : `HTTP ${status}: `}${message}`,
      };
    case 'ContextOverflowError':
      return {
        code: 'CONTEXT_OVERFLOW',
        message: `The conversation outgrew the model's context: ${message}`,
        next: 'Start a new task with a smaller scope or a model with a larger context.',
      };
    case 'MessageOutputLengthError':
      return { code: 'OUTPUT_LIMIT', message: `The model's answer hit its output limit: ${message}` };
    case 'ContentFilterError':
      return {
        code: 'CONTENT_FILTERED',
        message: `The model's provider filtered the answer: ${message}`,
      };
    case 'MessageAbortedError':
      return {
        code: 'ABORTED_EXTERNALLY',
        message: 'Somebody else aborted the OpenCode session.',
      };
    default:
      return classifyUnknown(message);
  }
}

function classifyUnknown(message: string): TaskError {
  if (/model not found/i.test(message)) {
    return {
      code: 'MODEL_NOT_FOUND',
      message,
      next: 'Name a model as provider/model that this OpenCode knows, or leave `model` out.',
    };
  }
  return { code: 'ENGINE_ERROR', message: `OpenCode reported: ${message}` };
}

/** The outcome of a turn that an error of the bridge ended. */
export function failed(thrown: unknown): TurnOutcome {
  const { code, message, next } = toBridgeError(thrown);
  return { kind: 'failed', summary: '', finish: 'error', error: { code, message, ...(next && { next }) } };
}

/** The error for an agent that OpenCode does not know. */
export function unknownAgent(agent: string, known: readonly string[]): TaskError {
  const message = `OpenCode knows no agent ${quote(agent)}.`;
  return {
    code: 'AGENT_NOT_FOUND',
    message,
    next: `Name one of ${known.join(', ')}, or leave \`agent\` out.`,
  };
}

function providerAuth(message: string): TaskError {
  return {
    code: 'PROVIDER_AUTH',
    message: `The model's provider refused the credentials: ${message}`,
  };
}

/** Reports that a call of the model failed, and when OpenCode repeats it. */
export function retrying(status: SessionStatus): TaskEventBody[] {
  if (status.type !== 'retry') return [];
  const { attempt, message, next } = status;
  return [{ kind: 'retrying', attempt, message, next_at: next }];
}

/** An error of a session, which does not always end it. */
export function warning(
  error: { name: string; data?: { message?: string | undefined } | undefined } | undefined,
): TaskEventBody[] {
  if (!error || error.name === 'MessageAbortedError') return [];
  return [{ kind: 'warning', code: error.name, message: cut(error.data?.message ?? error.name, 1_000) }];
}
