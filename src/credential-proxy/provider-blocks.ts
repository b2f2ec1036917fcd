import { type Dialect, knownProvider, type Provider } from '../provider-keys/provider.ts';

/** Packages that are part of OpenCode, so that it fetches none. */
const PACKAGES: Readonly<Record<Dialect, string>> = {
  anthropic: '@ai-sdk/anthropic',
  openai: '@ai-sdk/openai-compatible',
};

/** OpenCode replaces {env:…} and {file:…} in its configuration, and a caller names the model. */
const BRACE = /[{}]/;

/** OpenCode's configuration of these providers; `address` and `key` are what it shall use for each. */
export function providerBlocks<P extends Provider>(
  providers: readonly P[],
  {
    address,
    key,
    model,
  }: { address(provider: P): string; key(provider: P): string; model?: string | undefined },
) {
  const blocks = providers.map((provider) => {
    const { id, dialect, models } = provider;
    const isKnown = knownProvider(id) !== undefined;
    const wanted =
      !isKnown && model?.startsWith(`${id}/`) && !BRACE.test(model) ? [model.slice(id.length + 1)] : [];
    const named = [...new Set([...models, ...wanted])];
    return [
      id,
      {
        ...(!isKnown && { npm: PACKAGES[dialect], name: id }),
        options: { baseURL: address(provider), apiKey: key(provider) },
        ...(named.length > 0 && { models: Object.fromEntries(named.map((name) => [name, {}])) }),
      },
    ] as const;
  });
  return Object.fromEntries(blocks);
}
