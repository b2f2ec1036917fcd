import { pipeline } from 'node:stream/promises';
import type { Request as HttpRequest, Response as HttpResponse } from 'express';
import { z } from 'zod';
import { rpcErrors } from './rpc.ts';

const refusal = z.object({
  error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }),
});

/** Writes the SDK's response; adds the request id, which the SDK omits from its errors. */
export async function sendSdkResponse(
  req: HttpRequest,
  res: HttpResponse,
  response: Response,
): Promise<void> {
  const { status, headers, body } = response;
  res.status(status).setHeaders(headers);
  if (status >= 400) {
    const { error } = refusal.parse(await response.json());
    res.json(rpcErrors(req.body, error));
  } else if (headers.get('content-type') === 'application/json') {
    const text = await response.text();
    // The SDK answers a batch of one like a single message.
    res.end(Array.isArray(req.body) && !text.startsWith('[') ? `[${text}]` : text);
  } else if (body) {
    res.flushHeaders();
    // The endpoint handles a disconnect on the response.
    await pipeline(body, res).catch(() => undefined);
  } else res.end();
}
