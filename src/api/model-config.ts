import { z } from 'zod';
import { BridgeError, quote } from '../errors.ts';
import type { ModelConfig } from '../tasks/model-config.ts';
import { shortText } from './inputs.ts';

const MAX_TEMPERATURE = 2;
const MAX_OUTPUT_TOKENS = 1_000_000;
const MAX_PROMPT_LENGTH = 100_000;
const MAX_TOOLS = 200;

/** What a caller says about the model of a task. */
export const modelConfigInput = z.strictObject({
  provider: shortText.regex(/^[^/\s]+$/, 'contains a slash or a space').optional(),
  model: shortText.regex(/^\S+$/, 'contains a space').optional().describe('Its name at the provider.'),
  api_endpoint: z.string().optional(),
  temperature: z.number().min(0).max(MAX_TEMPERATURE).optional(),
  max_tokens: z
    .int()
    .min(1)
    .max(MAX_OUTPUT_TOKENS)
    .optional()
    .describe('Output tokens of one answer at most.'),
  system_prompt: z.string().regex(/\S/, 'is empty').max(MAX_PROMPT_LENGTH).optional(),
  enabled_tools: z.array(shortText).max(MAX_TOOLS).optional(),
});
export type ModelConfigInput = z.output<typeof modelConfigInput>;

/** The model and its settings. `model` is that of the task, as provider/model. Throws INVALID_INPUT. */
export function modelChoice(
  model: string | undefined,
  config: ModelConfigInput = {},
): { model?: string | undefined; modelConfig?: ModelConfig | undefined } {
  const { provider, model: name, api_endpoint, enabled_tools, ...settings } = config;
  refuseEndpoint(api_endpoint);
  const named = joined(provider, name);
  if (model !== undefined && named !== undefined && model !== named) {
    throw new BridgeError(
      'INVALID_INPUT',
      `\`model\` ${quote(model)} and the model of \`model_config\` ${quote(named)} differ.`,
      { next: 'Name the model once.' },
    );
  }
  const tools = enabled_tools && [...new Set(enabled_tools)];
  const given = Object.entries({ ...settings, enabled_tools: tools }).filter(([, it]) => it !== undefined);
  return {
    model: model ?? named,
    modelConfig: given.length > 0 ? Object.fromEntries(given) : undefined,
  };
}

/** Whoever chooses the address gets the operator's key. */
function refuseEndpoint(url: string | undefined): void {
  if (url === undefined) return;
  throw new BridgeError(
    'INVALID_INPUT',
    `\`model_config.api_endpoint\` ${quote(url)} is not taken: the operator's key would be sent there.`,
    { next: 'Leave api_endpoint out; the operator sets the address of a provider with PUT /providers/{id}.' },
  );
}

function joined(provider: string | undefined, model: string | undefined): string | undefined {
  if (provider === undefined && model === undefined) return undefined;
  if (provider !== undefined && model !== undefined) return `${provider}/${model}`;
  const [has, lacks] = provider === undefined ? ['model', 'provider'] : ['provider', 'model'];
  throw new BridgeError(
    'INVALID_INPUT',
    `\`model_config.${has}\` ${quote(provider ?? model)} is given without \`model_config.${lacks}\`.`,
    { next: `Name both, or the model of the task as \`model\` (provider/model).` },
  );
}
