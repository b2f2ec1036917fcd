import type { ServerResponse } from 'node:http';
import type { Dialect } from '../provider-keys/provider.ts';

/** Why the proxy answers itself. OpenCode tries none of these statuses again. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal';
  readonly status: 401 | 403;
  readonly code: string;

  constructor(status: ProxyRefusal['status'], code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Answers in the shape of errors of the API, so that OpenCode shows the message. */
export function sendRefusal(
  res: ServerResponse,
  { status, code, message }: ProxyRefusal,
  dialect: Dialect,
): void {
  const error = { type: code, message };
  const body = dialect === 'anthropic' ? { type: 'error', error } : { error: { ...error, code } };
  res.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  res.end(JSON.stringify(body));
}
