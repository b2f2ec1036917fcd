import { DIALECT_NAMES, type DialectName } from './dialect.ts';

/** A model that OpenCode asks in a dialect. */
interface DialectModel {
  providerID: string;
  modelID: string;
  /** The provider in OpenCode's configuration, without its options. */
  provider: object;
}

/**
 * The built-in providers need nothing more, since their packages and models are part of OpenCode. It asks `openai` by
 * the Responses API only; chat completions take a provider of another name.
 */
export const DIALECT_MODELS: Record<DialectName, DialectModel> = {
  anthropic: { providerID: 'anthropic', modelID: 'claude-sonnet-4-5', provider: {} },
  'openai-responses': { providerID: 'openai', modelID: 'gpt-5', provider: {} },
  openrouter: { providerID: 'openrouter', modelID: 'anthropic/claude-sonnet-4.5', provider: {} },
  'openai-chat': {
    providerID: 'chat',
    modelID: 'm1',
    provider: {
      npm: '@ai-sdk/openai-compatible',
      models: { m1: { limit: { context: 100_000, output: 4096 }, cost: { input: 1, output: 2 } } },
    },
  },
};

/** The configuration in which OpenCode reaches every dialect by its base URL, with the same key. */
export function dialectConfig(baseUrl: (dialect: DialectName) => string, apiKey: string) {
  const providers = DIALECT_NAMES.map((dialect) => {
    const { providerID, provider } = DIALECT_MODELS[dialect];
    return [providerID, { ...provider, options: { baseURL: baseUrl(dialect), apiKey } }] as const;
  });
  return {
    provider: Object.fromEntries(providers),
    enabled_providers: providers.map(([id]) => id),
    model: 'chat/m1',
    // Titles come from the small model of the provider that is asked.
    small_model: undefined,
  };
}
