import { BridgeError, quote } from '../errors.ts';

/** How a provider's API is spoken: what its requests are called, and which header carries the key. */
export const DIALECTS = ['anthropic', 'openai'] as const;
export type Dialect = (typeof DIALECTS)[number];

/** Where a provider is called, and how. */
export interface Provider {
  /** Its id in OpenCode: the part of `provider/model` before the slash. */
  id: string;
  dialect: Dialect;
  /** The address that the paths of its API are appended to, without a slash at the end. */
  baseUrl: string;
  /** Models that OpenCode does not know by itself. */
  models: readonly string[];
}

/** A provider with its key. It leaves the bridge only in a request to `baseUrl`. */
export interface ProviderSecret extends Provider {
  key: string;
}

interface KnownProvider {
  dialect: Dialect;
  baseUrl: string;
}

/** The providers that need no address. Sources: the API references of Anthropic, OpenAI and OpenRouter. */
const KNOWN_PROVIDERS: Readonly<Record<string, KnownProvider>> = {
  anthropic: { dialect: 'anthropic', baseUrl: 'https://api.anthropic.com/v1' },
  openai: { dialect: 'openai', baseUrl: 'https://api.openai.com/v1' },
  openrouter: { dialect: 'openai', baseUrl: 'https://openrouter.ai/api/v1' },
};

/** What an operator gives for a provider. */
export interface ProviderInput {
  apiKey: string;
  baseUrl?: string | undefined;
  dialect?: Dialect | undefined;
  models?: readonly string[] | undefined;
}

const ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** What a header can carry. */
const KEY = /^[\x21-\x7e]{1,4096}$/;
const MODEL = /^[\x21-\x7e]{1,200}$/;
const MAX_MODELS = 100;

/** The provider that an input describes. Throws INVALID_INPUT, which never quotes the key. */
export function readProvider(id: string, input: ProviderInput): ProviderSecret {
  const { apiKey, models = [] } = input;
  const known = knownProvider(assertProviderId(id));
  if (!KEY.test(apiKey)) {
    throw new BridgeError(
      'INVALID_INPUT',
      `\`api_key\` of ${quote(id)} is not 1 to 4096 printable ASCII characters without blanks.`,
      { next: 'Send the key as the provider shows it, without quotes or line ends.' },
    );
  }
  const dialect = input.dialect ?? known?.dialect ?? 'openai';
  if (known && dialect !== known.dialect) {
    throw new BridgeError('INVALID_INPUT', `\`dialect\` of ${quote(id)} is ${known.dialect}; leave it out.`);
  }
  const bad = models.find((model) => !MODEL.test(model));
  if (bad !== undefined || models.length > MAX_MODELS) {
    const fault = bad === undefined ? `has ${models.length} entries` : `has the entry ${quote(bad)}`;
    throw new BridgeError('INVALID_INPUT', `\`models\` ${fault}.`, {
      next: `Give at most ${MAX_MODELS} ids of models, without blanks.`,
    });
  }
  return { id, dialect, baseUrl: baseUrlOf(id, input.baseUrl ?? known?.baseUrl), models, key: apiKey };
}

/** Undefined for a provider that only the operator knows. */
export function knownProvider(id: string): KnownProvider | undefined {
  return Object.hasOwn(KNOWN_PROVIDERS, id) ? KNOWN_PROVIDERS[id] : undefined;
}

/** Throws INVALID_INPUT for a text that is no id of a provider. */
function assertProviderId(id: string): string {
  if (ID.test(id)) return id;
  throw new BridgeError('INVALID_INPUT', `The provider ${quote(id)} is not an id of OpenCode.`, {
    next: 'Give 1 to 64 lower-case letters, digits, dots, hyphens and underscores, such as anthropic.',
  });
}

function baseUrlOf(id: string, given: string | undefined): string {
  if (given === undefined) {
    throw new BridgeError('INVALID_INPUT', `\`base_url\` of ${quote(id)} is missing.`, {
      next: `Only ${Object.keys(KNOWN_PROVIDERS).join(', ')} have one that is known; give it, such as https://llm.example/v1.`,
    });
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search;
  if (isPlain && !url.hash) return url.href.replace(/\/+$/, '');
  throw new BridgeError(
    'INVALID_INPUT',
    `\`base_url\` ${quote(given.replace(/\/\/[^@/]*@/, '//…@'))} is not a plain address.`,
    { next: 'Give an http or https address without credentials, query or fragment.' },
  );
}
