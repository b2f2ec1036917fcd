import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { httpUrl, model } from '../../config/variables/schemas.ts';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import type { Endpoint } from '../../runners/opencode-server/endpoint.ts';

const LONGEST_S = 86_400;

/** Seconds on the command line, milliseconds in the program. */
export const seconds = (fallback: number) =>
  z.coerce
    .number()
    .positive()
    .max(LONGEST_S)
    .default(fallback)
    .transform((value) => value * 1000);
export const baseUrl = httpUrl('OPENCODE_SERVER_USERNAME and OPENCODE_SERVER_PASSWORD').optional();
export const modelName = model.optional();

/** Options as `--name value`. Throws INVALID_INPUT that quotes the wrong one. */
export function readOptions<S extends z.ZodObject>(args: string[], schema: S): z.output<S> {
  const values = split(args, Object.keys(schema.shape));
  const read = schema.safeParse(values);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const name = String(issue?.path[0]);
  throw invalid(`--${name} ${quote(values[name])}: ${issue?.message}`);
}

/** The server to test: that of `up` on this machine, unless the options name another. */
export function endpointOf({ openCode, engine }: Config, url: string | undefined): Endpoint {
  const { username, password } = openCode;
  return { url: url ?? `http://127.0.0.1:${engine.port}`, username, password };
}

function split(args: string[], names: string[]): Record<string, unknown> {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    return parseArgs({ args, options }).values;
  } catch (thrown) {
    throw invalid(messageOf(thrown));
  }
}

function invalid(text: string): BridgeError {
  const next = 'letta-opencode-plugin opencode --help lists the options.';
  return new BridgeError('INVALID_INPUT', text, { next });
}
