/** The OpenCode configuration that makes the scripted model at `url` (…/v1) its only model. */
export function scriptedProviderConfig(url: string) {
  return {
    $schema: 'https://opencode.ai/config.json',
    autoupdate: false,
    share: 'disabled' as const,
    model: 'mock/m1',
    small_model: 'mock/m1',
    enabled_providers: ['mock'],
    provider: {
      mock: {
        npm: '@ai-sdk/openai-compatible',
        name: 'Scripted',
        options: { baseURL: url, apiKey: 'scripted' },
        models: {
          m1: {
            name: 'Scripted model',
            tool_call: true,
            limit: { context: 100_000, output: 4096 },
            cost: { input: 1, output: 2 },
          },
        },
      },
    },
  };
}
