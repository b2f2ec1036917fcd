import { randomUUID } from 'node:crypto';
import type { Answer } from '../../../src/cli/demo/scripted-model/answer.ts';
import { ChatRequestSchema } from '../../../src/cli/demo/scripted-model/chat.ts';
import {
  type Completion,
  chatAnswer,
  completionOf,
  type Delta,
  tokensOf,
} from '../../../src/cli/demo/scripted-model/completion.ts';
import type { Step } from '../../../src/cli/demo/scripted-model/script.ts';
import { bearerKey, type Dialect } from './dialect.ts';

/** What OpenRouter sends now and then so that the connection stays open. */
const COMMENT = ': OPENROUTER PROCESSING\n\n';
const DEFAULT_COST = 0.00042;

/** OpenRouter: chat completions with comments in the stream, and what the answer costs, which it always reports. */
export const OPENROUTER: Dialect = {
  base: '/openrouter/api/v1',
  path: '/chat/completions',
  keyOf: bearerKey,
  refusal: () => ({ status: 401, message: 'No auth credentials found' }),
  failure: ({ status, message, code }) => ({
    error: { code: status, message, ...(code !== undefined && { metadata: { provider_code: code } }) },
    user_id: 'user_scripted',
  }),
  read(body) {
    const { messages, tools = [], model, stream } = ChatRequestSchema.parse(body);
    return {
      streamed: stream === true,
      messages,
      tools: tools.map((tool) => tool.function.name),
      answer: (step) => answerOf(step, model),
    };
  },
};

function answerOf(step: Step, model: string): Answer {
  const head = { id: `gen-${randomUUID()}`, provider: 'Scripted' };
  const plain = completionOf(step, model, Date.now());
  const completion: Completion = {
    deltas: plain.deltas.map(withReasoning),
    chunk: (delta) => ({ ...plain.chunk(delta), ...head }),
    finish: () => ({ ...plain.finish(), ...head }),
    usage: () => ({ ...plain.usage(), ...head, usage: usageOf(step) }),
    whole: () => ({ ...plain.whole(), ...head, usage: usageOf(step) }),
  };
  const answer = chatAnswer(completion, true);
  return {
    ...answer,
    opening: [COMMENT, ...answer.opening],
    closing: [COMMENT, ...answer.closing],
    error: (message) => {
      const choices = [{ index: 0, delta: { content: '' }, finish_reason: 'error' }];
      const chunk = { ...plain.chunk({}), ...head, choices, error: { code: 502, message } };
      return `data: ${JSON.stringify(chunk)}\n\n`;
    },
  };
}

function withReasoning({ reasoning_content: reasoning, ...delta }: Delta): Delta & { reasoning?: string } {
  return reasoning === undefined ? delta : { ...delta, reasoning };
}

function usageOf(step: Step): object {
  const { input, output, cacheRead, cacheWrite, reasoning } = tokensOf(step);
  const prompt_tokens = input + cacheRead + cacheWrite;
  return {
    prompt_tokens,
    completion_tokens: output,
    total_tokens: prompt_tokens + output,
    cost: step.usage?.cost ?? DEFAULT_COST,
    is_byok: false,
    prompt_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}
