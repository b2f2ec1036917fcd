import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { viewError } from '../api/error-view.ts';
import type { BridgeError } from '../errors.ts';
import { ROUTE_NAMES } from './route-names.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** The body of an error: RFC 9457 with the members that every error of the bridge has. */
export const problemSchema = z.object({
  type: z.string().describe('`urn:letta-opencode-plugin:error:` and the code.'),
  title: z.string().describe('The HTTP status in words.'),
  status: z.int().describe('The HTTP status.'),
  detail: z.string().describe('What is wrong, with the offending name and value.'),
  code: z.string().describe('Stable code.'),
  next: z.string().describe('What the caller can do now.'),
  retryable: z.boolean().describe('Whether the same request can succeed later.'),
  retry_after_seconds: z.number().optional().describe('As the Retry-After header.'),
});

export function problemOf(error: BridgeError, status: number): z.output<typeof problemSchema> {
  const { code, message, ...rest } = viewError(error, ROUTE_NAMES);
  return {
    type: `urn:letta-opencode-plugin:error:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: message,
    code,
    ...rest,
  };
}
