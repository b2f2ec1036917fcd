import { ChatRequestSchema } from '../../../src/cli/demo/scripted-model/chat.ts';
import { chatAnswer, completionOf } from '../../../src/cli/demo/scripted-model/completion.ts';
import { bearerKey, type Dialect } from './dialect.ts';
import { openaiFailure, openaiRefusal } from './openai-errors.ts';

/** OpenAI's chat completions. */
export const OPENAI_CHAT: Dialect = {
  base: '/openai/v1',
  path: '/chat/completions',
  keyOf: bearerKey,
  refusal: openaiRefusal,
  failure: openaiFailure,
  read(body) {
    const { messages, tools = [], model, stream, stream_options } = ChatRequestSchema.parse(body);
    return {
      streamed: stream === true,
      messages,
      tools: tools.map((tool) => tool.function.name),
      answer: (step) =>
        chatAnswer(completionOf(step, model, Date.now()), stream_options?.include_usage === true),
    };
  },
};
