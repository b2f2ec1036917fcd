import { z } from 'zod';
import { parseArguments } from '../api/arguments.ts';
import type { ApiServices } from '../api/services.ts';
import type { Forms } from './elicitation/forms.ts';

/** What the tools work with. */
export interface ToolServices extends ApiServices {
  /** Told of each answered call: `ok` or the code of its error, and the milliseconds that it took. */
  onToolCall?: ((tool: string, result: string, ms: number) => void) | undefined;
  limits?: ToolLimits;
  /** Milliseconds after which an ended task is removed; 0 or absent: never. */
  retentionMs?: number;
  /** `off`: no client is shown a form. */
  elicitation?: 'auto' | 'off';
}

/** Bounds of a call that waits, in milliseconds. */
export interface ToolLimits {
  /** How long a call waits at most: clients cut calls at 60 s. */
  maxWaitMs: number;
  /** Minimum time between two progress notifications. */
  progressEveryMs: number;
  /** Maximum time without one. */
  keepAliveMs: number;
}

export const MAX_WAIT_MS = 50_000;
export const DEFAULT_TOOL_LIMITS: ToolLimits = {
  maxWaitMs: MAX_WAIT_MS,
  progressEveryMs: 500,
  keepAliveMs: 10_000,
};

export type SendProgress = (message: string, percent?: number) => void;

/** One call of a tool. */
export interface ToolCall {
  readonly services: ToolServices;
  /** Aborts when the client cancels the request or is gone. */
  readonly signal: AbortSignal;
  /** Aborts when the session is about to close: a waiting call then answers with the current state. */
  readonly ending: AbortSignal;
  /** X-Request-Id of the call, absent over a pipe, and its `traceparent`, from `_meta` or from the header. */
  readonly origin: { requestId?: string | undefined; traceparent?: unknown };
  /** Who calls; throws AGENT_MISMATCH, AGENT_REQUIRED or INVALID_INPUT. */
  agentId(): string;
  /** Sends progress to the client; absent if it did not ask for that. */
  progress?: SendProgress | undefined;
  /** Shows forms to the client's user; absent if the client has none, or the call cannot carry them. */
  forms?: Forms | undefined;
  /** The task that an earlier round of this call has created: this round must not create another. */
  begun?: { taskId: string; repeated: boolean } | undefined;
}

export interface ToolAnswer<S = Record<string, unknown>> {
  structured: S;
  /** The same in a few lines for a reader. */
  text: string;
  /** Added to both forms of the answer. */
  hint?: string | undefined;
  /** The caller asked for content above the usual limit: the answer is not cut. */
  whole?: boolean;
}

/** The output field of a tool that may add a hint to its answer. */
export const hint = z.string().optional();

/** For Claude Code, which shows most tools only to who searches for them, and cuts long answers; others ignore it. */
interface ClaudeHints {
  /** Shown from the start. */
  alwaysLoad?: true;
  /** Words of a search that finds it, besides those of its name and description. */
  searchHint?: string;
  /** Longer answers become a preview and a file. */
  maxResultSizeChars?: number;
}

export interface ToolAnnotations {
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

interface ToolDescription<I extends z.ZodObject, O extends z.ZodObject> {
  name: string;
  title: string;
  /** What it does and when to use it. */
  description: string;
  input: I;
  output: O;
  annotations: ToolAnnotations;
  claude: ClaudeHints;
}

/** A tool as the server sees it: `answer` takes unchecked arguments. */
export interface Tool extends ToolDescription<z.ZodObject, z.ZodObject> {
  answer(args: Record<string, unknown>, call: ToolCall): Promise<ToolAnswer>;
}

interface ToolDefinition<I extends z.ZodObject, O extends z.ZodObject> extends ToolDescription<I, O> {
  run(input: z.output<I>, call: ToolCall): Promise<ToolAnswer<z.output<O>>> | ToolAnswer<z.output<O>>;
}

/** Annotations of a tool that changes nothing. */
export const READ_ONLY: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };

/** Makes a tool whose `run` gets checked input; bad arguments are refused with INVALID_INPUT. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject>({
  run,
  ...description
}: ToolDefinition<I, O>): Tool {
  const { name, input } = description;
  return { ...description, answer: async (args, call) => run(parseArguments(name, input, args), call) };
}
