import { randomUUID } from 'node:crypto';
import type { Step } from './script.ts';

const USAGE = { input: 100, output: 20 };

interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** One `delta` of a streamed answer. */
interface Delta {
  role?: 'assistant';
  content?: string;
  reasoning_content?: string;
  tool_calls?: ({ index: number } & (ToolCall | { function: { arguments: string } }))[];
}

/** An answer in the OpenAI shape, whole and as the deltas it is streamed in. */
interface Completion {
  deltas: Delta[];
  whole(): object;
  chunk(delta: Delta): object;
  /** The closing chunk with the finish reason; usage comes in a chunk of its own. */
  finish(): object;
  usage(): object;
}

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
  const interrupted = step.cut === true || step.hang === 'mid';
  for (const content of split(step.text ?? '', Math.max(step.chunks ?? 1, interrupted ? 2 : 1))) {
    deltas.push({ content });
  }
  for (const [index, call] of calls.entries()) {
    deltas.push({ tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: '' } }] });
    deltas.push({ tool_calls: [{ index, function: { arguments: call.function.arguments } }] });
  }
  return deltas;
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

function usageOf(step: Step): object {
  const { input, output } = step.usage ?? USAGE;
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
