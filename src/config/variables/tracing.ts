import { z } from 'zod';
import { text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Traces');

/** `name=value`, comma-separated, with values as in a URL. A value is a secret: no error quotes it. */
const headers = z.string().transform((given, { addIssue }) => {
  const entries = given.split(',').map((entry) => {
    const [, name = '', value = ''] = /^\s*([\w-]+)\s*=\s*(\S.*?)\s*$/.exec(entry) ?? [];
    if (name === '') addIssue('is not name=value, with commas between several');
    return [name, decoded(value)] as const;
  });
  return Object.fromEntries(entries);
});

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

export const TRACING = {
  OTEL_EXPORTER_OTLP_ENDPOINT: variable({
    schema: z.url({ protocol: /^https?$/ }),
    about: 'Where traces of tasks are sent, by OTLP over HTTP in JSON (docs/tracing.md). Unset: off.',
  }),
  OTEL_EXPORTER_OTLP_HEADERS: variable({
    schema: headers,
    about: 'Headers for that, such as `Authorization=Bearer%20…`; name=value, comma-separated.',
  }),
  OTEL_SERVICE_NAME: variable({
    schema: text,
    default: 'letta-opencode-plugin',
    about: 'Name of this bridge in the traces.',
  }),
};
