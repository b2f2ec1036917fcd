import { z } from 'zod';
import type { ChatMessage } from '../../../src/cli/demo/scripted-model/chat.ts';
import { bearerKey, type Dialect } from './dialect.ts';
import { openaiFailure, openaiRefusal } from './openai-errors.ts';
import { responseAnswer } from './response-answer.ts';

const PartSchema = z.looseObject({ type: z.string(), text: z.string().optional() });

const ItemSchema = z.looseObject({
  /** A message may leave its type out. */
  type: z.string().default('message'),
  role: z.string().optional(),
  content: z.union([z.string(), z.array(PartSchema)]).optional(),
  output: z.unknown().optional(),
});

type Item = z.infer<typeof ItemSchema>;

const RequestSchema = z.looseObject({
  model: z.string(),
  input: z.union([z.string(), z.array(ItemSchema).min(1)]),
  instructions: z.string().nullish(),
  stream: z.boolean().optional(),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
});

/** OpenAI's responses. */
export const OPENAI_RESPONSES: Dialect = {
  base: '/openai/v1',
  path: '/responses',
  keyOf: bearerKey,
  refusal: openaiRefusal,
  failure: openaiFailure,
  read(body) {
    const { model, input, instructions, stream, tools = [] } = RequestSchema.parse(body);
    return {
      streamed: stream === true,
      messages: [
        ...(instructions ? [{ role: 'system', content: instructions }] : []),
        ...(typeof input === 'string' ? [{ role: 'user', content: input }] : chatMessages(input)),
      ],
      tools: tools.flatMap((tool) => tool.name ?? []),
      answer: (step) => responseAnswer(step, model),
    };
  },
};

/** One answer of the model is several items here (reasoning, message, calls), but one message of a chat. */
function chatMessages(items: readonly Item[]): ChatMessage[] {
  return items.flatMap((item, index) => {
    const { type, role, content, output } = item;
    if (type === 'function_call_output') return [{ role: 'tool', content: JSON.stringify(output ?? '') }];
    if (isOfModel(item)) return beginsAnswer(item, items[index - 1]) ? [{ role: 'assistant', content }] : [];
    return [{ role: role === 'developer' ? 'system' : (role ?? 'user'), content }];
  });
}

const isOfModel = ({ type, role }: Item): boolean => type !== 'message' || role === 'assistant';

/** The order within an answer is reasoning, message, calls. */
function beginsAnswer({ type }: Item, before: Item | undefined): boolean {
  if (!before || before.type === 'function_call_output' || !isOfModel(before)) return true;
  if (type === 'function_call') return false;
  return before.type !== 'reasoning';
}
