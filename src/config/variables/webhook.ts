import { z } from 'zod';
import { quote } from '../../errors.ts';
import { flag, list } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Webhooks');
const MAX_SECRETS = 2;
const LEAST_SECRET_BYTES = 24;
const MAX_PORT = 65_535;

const target = z
  .url({ protocol: /^https?$/, abort: true })
  .refine(
    (url) => !new URL(url).username && !new URL(url).password,
    'must not hold credentials: the receiver verifies the signature instead',
  );

/** A host that `callback_url` may name; the host as `URL` normalises it. */
const allowedHost = z.string().transform((entry, { addIssue }) => {
  const [, host = '', port] = /^([^/?#@\\]*?)(?::(\d+))?$/.exec(entry) ?? [];
  const { hostname = '' } = parse(`http://${host}`) ?? {};
  const isPort = port === undefined || Number(port) <= MAX_PORT;
  if (!/^(\[[\da-f:.]+\]|[\da-z._-]+)$/.test(hostname) || !isPort)
    addIssue(`${quote(entry)} is not a host or host:port, such as hooks.example.org or [::1]:8080`);
  return { hostname, port };
});

const secrets = z.string().transform((value, { addIssue }) => {
  const given = value.split(/[\s,]+/).filter(Boolean);
  if (given.length < 1 || given.length > MAX_SECRETS)
    addIssue(`has ${given.length} secrets, 1 or ${MAX_SECRETS} are taken`);
  return given.map((secret, index) => {
    const text = secret.replace(/^whsec_/, '');
    const key = Buffer.from(text, 'base64');
    const fault = secretFault(key, text);
    if (fault !== undefined)
      addIssue(`secret ${index + 1} ${fault}; "openssl rand -base64 32" prints a good one`);
    return key;
  });
});

function secretFault(key: Buffer, text: string): string | undefined {
  if (key.toString('base64') !== text) return 'is not base64, with or without whsec_ before it';
  if (key.length >= LEAST_SECRET_BYTES) return undefined;
  return `has ${key.length} bytes, at least ${LEAST_SECRET_BYTES} are required`;
}

export const WEBHOOK = {
  WEBHOOK_URL: variable({
    schema: target,
    about: 'Gets a signed POST request for each important event of all tasks (docs/webhooks.md). Unset: off.',
  }),
  WEBHOOK_SECRET: variable({
    schema: secrets,
    about:
      'The secret that signs requests, `whsec_` and base64 of at least 24 bytes; two with a comma between them while you change it. Required with WEBHOOK_URL or WEBHOOK_ALLOWED_HOSTS.',
  }),
  WEBHOOK_ALLOWED_HOSTS: variable({
    schema: list.pipe(z.array(allowedHost)),
    default: '',
    about:
      'Hosts, comma-separated, that `callback_url` of a task may name: a host (ports 80 and 443) or host:port. Empty: no task may have a `callback_url`.',
  }),
  WEBHOOK_ALLOW_PRIVATE_ADDRESSES: variable({
    schema: flag,
    default: 'false',
    about:
      'true: names in WEBHOOK_ALLOWED_HOSTS may resolve to private and loopback addresses. Without it only `localhost` and literal addresses in the list lead there.',
  }),
};

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
