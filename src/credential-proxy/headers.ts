import type { IncomingHttpHeaders } from 'node:http';
import type { ProviderSecret } from '../provider-keys/provider.ts';

type Headers = Record<string, string | string[]>;

/** Those of one connection (RFC 9110, 7.6.1). `expect` too: the client has got its answer when it is passed on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);
/** What a provider gets from the proxy itself, and what is none of its business. */
const REPLACED: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'x-api-key',
  'cookie',
  'accept-encoding',
]);
/** They would make the client speak to the provider directly, or keep something of it. */
const WITHHELD: ReadonlySet<string> = new Set(['set-cookie', 'alt-svc', 'location']);

/** The token that OpenCode sends in the place of the key. */
export function tokenOf({ authorization = '', 'x-api-key': key }: IncomingHttpHeaders): string {
  if (typeof key === 'string' && key !== '') return key;
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}

/** The headers of a request as the provider gets them: with the key, and for an answer that can be read. */
export function requestHeaders(headers: IncomingHttpHeaders, { dialect, key }: ProviderSecret): Headers {
  const auth = dialect === 'anthropic' ? { 'x-api-key': key } : { authorization: `Bearer ${key}` };
  return { ...without(headers, REPLACED), 'accept-encoding': 'identity', ...auth };
}

export function responseHeaders(headers: IncomingHttpHeaders): Headers {
  return without(headers, WITHHELD);
}

function without(headers: IncomingHttpHeaders, names: ReadonlySet<string>): Headers {
  const named = [headers.connection ?? '']
    .flat()
    .join(',')
    .toLowerCase()
    .split(/[\s,]+/);
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || HOP_BY_HOP.has(name) || names.has(name) || named.includes(name)
      ? []
      : [[name, value] as const],
  );
  return Object.fromEntries(entries);
}
