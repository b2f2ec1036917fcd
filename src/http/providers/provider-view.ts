import { z } from 'zod';
import { DIALECTS } from '../../provider-keys/provider.ts';
import { KEY_SOURCES, type ProviderView } from '../../provider-keys/provider-keys.ts';

/** A provider as the operator sees it. */
export const providerSchema = z.object({
  provider: z.string().describe('Its id in OpenCode: the part of `provider/model` before the slash.'),
  source: z.enum(KEY_SOURCES),
  dialect: z.enum(DIALECTS),
  base_url: z.string(),
  models: z.array(z.string()).describe('Models that OpenCode does not know by itself.'),
  last_four: z.string().optional(),
  created_at: z.string().optional().describe('When a stored key was first set, ISO 8601.'),
  updated_at: z.string().optional().describe('When the key or its file was last changed, ISO 8601.'),
});

/** What may be shown of a provider's key, in the words of the API. */
export function providerView({ baseUrl, lastFour, createdAt, updatedAt, ...rest }: ProviderView) {
  return {
    ...rest,
    base_url: baseUrl,
    last_four: lastFour,
    created_at: isoTime(createdAt),
    updated_at: isoTime(updatedAt),
  };
}

function isoTime(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
