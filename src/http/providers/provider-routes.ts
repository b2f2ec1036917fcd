import { z } from 'zod';
import { BridgeError } from '../../errors.ts';
import { DIALECTS } from '../../provider-keys/provider.ts';
import { defineRoute, NONE, type Route } from '../route.ts';
import type { ProviderAdmin } from './provider-admin.ts';
import { providerSchema, providerView } from './provider-view.ts';

const providerParams = z.strictObject({ provider: z.string().max(200) });

const listProviders = defineRoute({
  method: 'get',
  path: '/providers',
  operationId: 'listProviders',
  summary: 'The providers of models whose keys the bridge has',
  about: 'Of a key only the last four characters are shown, here and everywhere.',
  operator: true,
  params: NONE,
  query: NONE,
  body: NONE,
  success: [
    {
      status: 200,
      about: 'The providers.',
      content: { 'application/json': z.object({ providers: z.array(providerSchema) }) },
    },
  ],
  errors: ['UNSUPPORTED'],
  async run({ providers }) {
    return { json: { providers: adminOf(providers).list().map(providerView) } };
  },
});

const setProvider = defineRoute({
  method: 'put',
  path: '/providers/{provider}',
  operationId: 'setProvider',
  summary: "Store a provider's key, encrypted, or replace it",
  about:
    'Tasks that run have the new key from their next request on. A provider that OpenCode does not know needs `base_url`, and `models`; an OpenCode server is restarted for a new one as soon as no task runs.',
  operator: true,
  params: providerParams,
  query: NONE,
  body: z.strictObject({
    api_key: z.string(),
    base_url: z.string().max(2_000).optional(),
    dialect: z.enum(DIALECTS).optional(),
    models: z.array(z.string()).optional(),
  }),
  success: [
    {
      status: 200,
      about: 'The provider as it is used now.',
      content: { 'application/json': providerSchema },
    },
  ],
  errors: ['UNSUPPORTED', 'INVALID_STATE'],
  async run({ providers, params, body }) {
    const { api_key: apiKey, base_url: baseUrl, ...rest } = body;
    return { json: providerView(adminOf(providers).put(params.provider, { apiKey, baseUrl, ...rest })) };
  },
});

const removeProvider = defineRoute({
  method: 'delete',
  path: '/providers/{provider}',
  operationId: 'removeProvider',
  summary: "Remove a provider's stored key",
  about: 'A key of the same provider in PROVIDER_KEYS_FILE or the environment is used from then on.',
  operator: true,
  params: providerParams,
  query: NONE,
  body: NONE,
  success: [{ status: 204, about: 'The key is removed.' }],
  errors: ['UNSUPPORTED', 'NOT_FOUND', 'INVALID_STATE'],
  async run({ providers, params }) {
    adminOf(providers).remove(params.provider);
    return { status: 204 };
  },
});

export const PROVIDER_ROUTES: readonly Route[] = [listProviders, setProvider, removeProvider];

function adminOf(providers: ProviderAdmin | undefined): ProviderAdmin {
  if (providers) return providers;
  throw new BridgeError('UNSUPPORTED', 'This bridge hands no keys of providers to its OpenCode.', {
    next: 'Set the key at the OpenCode server of OPENCODE_SERVER_URL; in Docker mode, do not set PROVIDER_PROXY=false.',
  });
}
