import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Answer } from '../../../src/cli/demo/scripted-model/answer.ts';
import { type ChatMessage, textOf } from '../../../src/cli/demo/scripted-model/chat.ts';
import { piecesOf, tokensOf } from '../../../src/cli/demo/scripted-model/completion.ts';
import type { Step } from '../../../src/cli/demo/scripted-model/script.ts';
import { argumentPieces, type Dialect, piecesOfPart, typedEvent } from './dialect.ts';

const BlockSchema = z.looseObject({ type: z.string(), text: z.string().optional() });
const ContentSchema = z.union([z.string(), z.array(BlockSchema)]);

const RequestSchema = z.looseObject({
  model: z.string(),
  max_tokens: z.int().positive(),
  stream: z.boolean().optional(),
  system: ContentSchema.optional(),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant', 'system']), content: ContentSchema }))
    .min(1),
  tools: z.array(z.looseObject({ name: z.string() })).optional(),
});

const ERROR_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const STOP_REASONS = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
} as const;

/** Anthropic's messages. */
export const ANTHROPIC: Dialect = {
  base: '/anthropic/v1',
  path: '/messages',
  keyOf: (headers) => headers['x-api-key']?.toString(),
  refusal: (key) => ({
    status: 401,
    message: key === undefined ? 'x-api-key header is required' : 'invalid x-api-key',
  }),
  failure: ({ status, message, code }) => ({
    type: 'error',
    error: { type: code ?? ERROR_TYPES[status] ?? 'api_error', message },
    request_id: `req_${randomUUID()}`,
  }),
  read(body) {
    const { model, stream, system, messages, tools = [] } = RequestSchema.parse(body);
    return {
      streamed: stream === true,
      messages: [
        ...(system === undefined ? [] : [{ role: 'system', content: system }]),
        ...messages.flatMap(chatMessages),
      ],
      tools: tools.map((tool) => tool.name),
      answer: (step) => answerOf(step, model),
    };
  },
};

/** Results of tools are blocks in a message of the user here, and may have the user's next words beside them. */
function chatMessages({ role, content }: { role: string; content: ChatMessage['content'] }): ChatMessage[] {
  if (!Array.isArray(content)) return [{ role, content }];
  const results = content.filter((block) => block.type === 'tool_result');
  if (results.length === 0) return [{ role, content }];
  const words = { role, content: content.filter((block) => block.type !== 'tool_result') };
  return [
    ...results.map((block) => ({ role: 'tool', content: JSON.stringify(block.content ?? '') })),
    ...(textOf(words) === '' ? [] : [words]),
  ];
}

function answerOf(step: Step, model: string): Answer {
  const head = { id: `msg_${randomUUID()}`, type: 'message', role: 'assistant', model, stop_sequence: null };
  const blocks = blocksOf(step);
  const { input, output, cacheRead, cacheWrite } = tokensOf(step);
  const prompt = {
    input_tokens: input,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
  };
  const stop_reason = STOP_REASONS[step.finish ?? (step.tools?.length ? 'tool_calls' : 'stop')];
  const usage = { ...prompt, output_tokens: output };
  const begun = { ...head, content: [], stop_reason: null, usage: { ...prompt, output_tokens: 1 } };
  return {
    opening: [typedEvent('message_start', { message: begun }), typedEvent('ping')],
    deltas: blocks.flatMap(eventsOf),
    closing: [
      typedEvent('message_delta', { delta: { stop_reason, stop_sequence: null }, usage }),
      typedEvent('message_stop'),
    ],
    error: (message) => typedEvent('error', { error: { type: 'overloaded_error', message } }),
    whole: () => ({ ...head, content: blocks.map((block) => block.whole), stop_reason, usage }),
  };
}

/** A block of the content: how it starts, grows, and is in the end. */
interface Block {
  start: object;
  deltas: object[];
  whole: object;
}

function blocksOf(step: Step): Block[] {
  const blocks: Block[] = [];
  const { reasoning: thinking, text, tools = [] } = step;
  if (thinking) {
    const signature = 'c2NyaXB0ZWQ=';
    blocks.push({
      start: { type: 'thinking', thinking: '', signature: '' },
      deltas: [
        { type: 'thinking_delta', thinking },
        { type: 'signature_delta', signature },
      ],
      whole: { type: 'thinking', thinking, signature },
    });
  }
  if (text) {
    const deltas = piecesOf(step).map((piece) => ({ type: 'text_delta', text: piece }));
    blocks.push({ start: { type: 'text', text: '' }, deltas, whole: { type: 'text', text } });
  }
  for (const { name, args } of tools) {
    const call = { type: 'tool_use', id: `toolu_${randomUUID()}`, name };
    const deltas = argumentPieces(args).map((partial_json) => ({ type: 'input_json_delta', partial_json }));
    blocks.push({ start: { ...call, input: {} }, deltas, whole: { ...call, input: args } });
  }
  return blocks;
}

function eventsOf({ start, deltas }: Block, index: number): string[] {
  return piecesOfPart(
    [typedEvent('content_block_start', { index, content_block: start })],
    deltas.map((delta) => typedEvent('content_block_delta', { index, delta })),
    [typedEvent('content_block_stop', { index })],
  );
}
