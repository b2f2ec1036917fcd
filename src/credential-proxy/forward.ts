import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ProviderSecret } from '../provider-keys/provider.ts';
import type { RequestRouter } from '../proxy.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import type { ProviderCall } from './task-meters.ts';
import { UsageMeter } from './usage-meter.ts';

/** A request to pass on. */
export interface ForwardedRequest {
  req: IncomingMessage;
  res: ServerResponse;
  provider: ProviderSecret;
  /** With the query, to append to the provider's address. */
  path: string;
  call: ProviderCall;
  router: RequestRouter;
}

/**
 * Passes a request on to the provider, and its answer back chunk by chunk. What fails there fails here in the same way:
 * where the provider cannot be reached, or cuts its answer, the connection to OpenCode is cut too. So OpenCode sees, and
 * tries again, what it would without the proxy. No time limit: OpenCode has its own.
 */
export async function forward({ req, res, provider, path, call, router }: ForwardedRequest): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, call.signal]);
  try {
    const answer = await router.request({
      origin: new URL(provider.baseUrl).origin,
      path: `${new URL(provider.baseUrl).pathname.replace(/\/$/, '')}${path}`,
      method: req.method === 'GET' ? 'GET' : 'POST',
      headers: requestHeaders(req.headers, provider),
      body: req.method === 'GET' ? null : req,
      headersTimeout: 0,
      bodyTimeout: 0,
      signal,
    });
    // A redirect names another address, where the key must not go.
    const status = answer.statusCode >= 300 && answer.statusCode < 400 ? 502 : answer.statusCode;
    res.writeHead(status, responseHeaders(answer.headers));
    res.flushHeaders();
    const meter = new UsageMeter(String(answer.headers['content-type'] ?? ''));
    await pipeline(answer.body, (chunks) => metered(chunks, meter, call), res);
  } finally {
    call.end();
    if (!res.writableFinished) res.destroy();
  }
}

/** The chunks as they are, while the meter reads them. */
async function* metered(
  chunks: AsyncIterable<Buffer>,
  meter: UsageMeter,
  call: ProviderCall,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    meter.write(chunk);
    call.used(meter.tokens);
    yield chunk;
  }
  meter.end();
  call.used(meter.tokens);
}
