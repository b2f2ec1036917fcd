import type { ProviderKeys } from '../../provider-keys/provider-keys.ts';

/** What an operator may see and change of providers. */
export type ProviderAdmin = Pick<ProviderKeys, 'list' | 'put' | 'remove'>;
