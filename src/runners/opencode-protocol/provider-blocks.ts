import { z } from 'zod';
import { BridgeError } from '../../errors.ts';

/** What OpenCode's configuration has for one provider. */
interface ProviderBlock {
  /** The package that speaks to a provider that OpenCode does not know. */
  npm?: string;
  name?: string;
  options: { baseURL: string; apiKey: string };
  models?: Record<string, object>;
}

/** By the id of the provider. */
export type ProviderBlocks = Readonly<Record<string, ProviderBlock>>;

/** How OpenCode reaches providers. */
export interface ProviderAccess {
  blocks: ProviderBlocks;
  /** The host of the credential proxy that they name; absent where they name the providers themselves. */
  proxyHost?: string | undefined;
}

const object = z.record(z.string(), z.unknown());
const contentSchema = z.looseObject({
  provider: z
    .record(z.string(), z.looseObject({ options: object.optional(), models: object.optional() }))
    .optional(),
});

/**
 * OPENCODE_CONFIG_CONTENT with these providers. Their address and key replace what the operator's text has for them, and
 * the rest of it stays. OpenCode reads this variable after a project's files, so none of them leads it elsewhere.
 */
export function withProviders(content: string | undefined, blocks: ProviderBlocks): string | undefined {
  if (Object.keys(blocks).length === 0) return content;
  const given = parse(content);
  const provider: Record<string, unknown> = { ...given.provider };
  for (const [id, block] of Object.entries(blocks)) {
    const { options, models, ...rest } = given.provider?.[id] ?? {};
    provider[id] = {
      ...block,
      ...rest,
      options: { ...options, ...block.options },
      ...((models || block.models) && { models: { ...block.models, ...models } }),
    };
  }
  return JSON.stringify({ ...given, provider });
}

function parse(content = ''): z.output<typeof contentSchema> {
  if (content.trim() === '') return {};
  try {
    return contentSchema.parse(JSON.parse(content));
  } catch (cause) {
    const next = 'Correct it, or leave it out.';
    throw new BridgeError('INVALID_INPUT', 'OPENCODE_CONFIG_CONTENT is not a configuration in JSON.', {
      next,
      cause,
    });
  }
}

const NO_PROXY = ['NO_PROXY', 'no_proxy'] as const;
const PROXIES = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'] as const;

/** The environment with which OpenCode calls the host itself: 1.18.33 sends loopback to HTTP_PROXY too (measured). */
export function directly<V extends string | undefined>(
  env: Readonly<Record<string, V>>,
  host: string | undefined,
): Record<string, V | string> {
  if (host === undefined || PROXIES.every((name) => !env[name])) return { ...env };
  const hosts = [...NO_PROXY.flatMap((name) => env[name] || []), host].join();
  return { ...env, NO_PROXY: hosts, no_proxy: hosts };
}
