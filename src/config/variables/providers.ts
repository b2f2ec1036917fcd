import { z } from 'zod';
import { flag, port, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Provider keys');
const KEY_BYTES = 32;

/** 32 bytes in base64, with or without padding, also in the URL alphabet. No error quotes it. */
export const encryptionKey = z.string().transform((given, { addIssue }) => {
  const bytes = Buffer.from(given, 'base64');
  const isBase64 = /^[\w+/-]+={0,2}$/.test(given);
  if (!isBase64 || bytes.length !== KEY_BYTES)
    addIssue('is not 32 bytes in base64: set it to what "openssl rand -base64 32" prints');
  return new Uint8Array(bytes);
});

export const PROVIDERS = {
  PROVIDER_PROXY: variable({
    schema: flag,
    shown: 'true in Docker mode',
    about:
      "true: OpenCode gets no provider's key; a proxy of the bridge adds it to each request (docs/provider-keys.md). Not with OPENCODE_SERVER_URL.",
  }),
  PROVIDER_PROXY_HOST: variable({
    schema: text,
    shown: 'an address that OpenCode reaches',
    about: 'Address that this proxy listens on.',
  }),
  PROVIDER_PROXY_PORT: variable({
    schema: port,
    shown: '3501 in Docker mode, else a free one',
    about: 'Port of this proxy; 0 takes a free one, which containers lose at a restart of the bridge.',
  }),
  PROVIDER_PROXY_URL: variable({
    schema: z.url({ protocol: /^http$/ }).transform((url) => url.replace(/\/+$/, '')),
    shown: 'where it listens',
    about: 'Address of this proxy as containers reach it, such as http://host.docker.internal:3501.',
  }),
  PROVIDER_KEYS_FILE: variable({
    schema: text,
    about: 'JSON file with keys by provider: {"anthropic": "…"}. Read again when it is replaced.',
  }),
  ENCRYPTION_KEY: variable({
    schema: encryptionKey,
    about: 'Key for provider keys that are stored, 32 bytes in base64: openssl rand -base64 32.',
  }),
  ENCRYPTION_KEY_FILE: variable({
    schema: text,
    about: 'File with that key instead.',
  }),
  ENCRYPTION_KEY_PREVIOUS: variable({
    schema: encryptionKey,
    about: 'The key before, while ENCRYPTION_KEY is rotated; needed at one start.',
  }),
  OPERATOR_TOKEN: variable({
    schema: text,
    about: 'Bearer token that sets and lists provider keys at /providers; no other token does.',
  }),
};
