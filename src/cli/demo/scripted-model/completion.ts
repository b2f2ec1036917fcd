import { randomUUID } from 'node:crypto';
import type { Answer } from './answer.ts';
import { isInterrupted, type Step } from './script.ts';

const USAGE: NonNullable<Step['usage']> = { input: 100, output: 20 };

interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** One `delta` of a streamed answer. */
export interface Delta {
  role?: 'assistant';
  content?: string;
  reasoning_content?: string;
  tool_calls?: ({ index: number } & (ToolCall | { function: { arguments: string } }))[];
}

/** An answer in the OpenAI shape, whole and as the deltas it is streamed in. */
export interface Completion {
  deltas: Delta[];
  whole(): object;
  chunk(delta: Delta): object;
  /** The closing chunk with the finish reason; usage comes in a chunk of its own. */
  finish(): object;
  usage(): object;
}

/** The events and the body of a completion; `includeUsage` as the request asks for it. */
export function chatAnswer(completion: Completion, includeUsage: boolean): Answer {
  const usage = includeUsage ? [event(completion.usage())] : [];
  return {
    opening: [event(completion.chunk({ role: 'assistant', content: '' }))],
    deltas: completion.deltas.map((delta) => event(completion.chunk(delta))),
    closing: [event(completion.finish()), ...usage, 'data: [DONE]\n\n'],
    error: (message) => event({ error: { message, type: 'server_error', param: null, code: null } }),
    whole: completion.whole,
  };
}

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;

/** Builds the answer that a step describes. */
export function completionOf(step: Step, model: string, now: number): Completion {
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(now / 1000), model };
  const calls = toolCalls(step);
  const finish_reason = step.finish ?? (calls.length > 0 ? 'tool_calls' : 'stop');
  const usage = usageOf(step);
  const chunk = (choices: object[], more = {}) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices,
    ...more,
  });
  return {
    deltas: deltasOf(step, calls),
    whole: () => ({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message: messageOf(step, calls), finish_reason }],
      usage,
    }),
    chunk: (delta) => chunk([{ index: 0, delta, finish_reason: null }]),
    finish: () => chunk([{ index: 0, delta: {}, finish_reason }]),
    usage: () => chunk([], { usage }),
  };
}

function deltasOf(step: Step, calls: ToolCall[]): Delta[] {
  const deltas: Delta[] = [];
  if (step.reasoning) deltas.push({ reasoning_content: step.reasoning });
  for (const content of piecesOf(step)) deltas.push({ content });
  for (const [index, call] of calls.entries()) {
    deltas.push({ tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: '' } }] });
    deltas.push({ tool_calls: [{ index, function: { arguments: call.function.arguments } }] });
  }
  return deltas;
}

/** The text in as many pieces as the step says; what is interrupted has at least two. */
export function piecesOf(step: Step): string[] {
  return split(step.text ?? '', Math.max(step.chunks ?? 1, isInterrupted(step) ? 2 : 1));
}

/** At most `count` pieces of about equal length, none empty. */
function split(text: string, count: number): string[] {
  const characters = [...text];
  const size = Math.max(1, Math.ceil(characters.length / count));
  const pieces: string[] = [];
  for (let at = 0; at < characters.length; at += size) pieces.push(characters.slice(at, at + size).join(''));
  return pieces;
}

function messageOf(step: Step, calls: ToolCall[]): object {
  return {
    role: 'assistant',
    content: step.text ?? null,
    ...(step.reasoning && { reasoning_content: step.reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function toolCalls(step: Step): ToolCall[] {
  return (step.tools ?? []).map((tool) => ({
    id: `call_${randomUUID()}`,
    type: 'function',
    function: { name: tool.name, arguments: JSON.stringify(tool.args) },
  }));
}

/** The tokens to report, those that the step leaves out as 0. */
export function tokensOf({ usage = USAGE }: Step) {
  const { input, output, cacheRead = 0, cacheWrite = 0, reasoning = 0 } = usage;
  return { input, output, cacheRead, cacheWrite, reasoning };
}

function usageOf(step: Step): object {
  const { input, output, cacheRead, cacheWrite, reasoning } = tokensOf(step);
  const prompt_tokens = input + cacheRead + cacheWrite;
  return {
    prompt_tokens,
    completion_tokens: output,
    total_tokens: prompt_tokens + output,
    ...(cacheRead > 0 && { prompt_tokens_details: { cached_tokens: cacheRead } }),
    ...(reasoning > 0 && { completion_tokens_details: { reasoning_tokens: reasoning } }),
  };
}
