import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';
import { REQUEST_ID } from './request-id.ts';
import { RPC, type RpcError, rpcErrors } from './rpc.ts';

interface Presentation {
  status?: number;
  rpcCode?: number;
}

/** Sends an error: on `/mcp` as JSON-RPC, with the id of the request if it was read; elsewhere as problem+json. */
export function sendError(req: Request, res: Response, error: BridgeError, shown: Presentation = {}): void {
  const { status = error.httpStatus, rpcCode = RPC.refused } = shown;
  const { retryAfterSeconds } = error;
  if (retryAfterSeconds !== undefined) res.set('Retry-After', String(retryAfterSeconds));
  res.status(status);
  if (/^\/mcp\/?$/i.test(req.path)) res.json(rpcErrors(req.body, rpcErrorOf(error, rpcCode)));
  else res.set('Cache-Control', 'no-store').type(PROBLEM_TYPE).json(problemOf(error, status));
}

function rpcErrorOf({ code, message, next, retryAfterSeconds }: BridgeError, rpcCode: number): RpcError {
  const text = next === undefined ? message : `${message} ${next}`;
  return { code: rpcCode, message: text, data: { code, next, retry_after_seconds: retryAfterSeconds } };
}

/** Answers requests that match no route. */
export const notFound: RequestHandler = (req, res) => {
  const message = `${req.method} ${quote(req.path)} is not served.`;
  sendError(
    req,
    res,
    new BridgeError('NOT_FOUND', message, {
      next: 'Served are /mcp, /tasks, /events, /openapi.json, /health, /ready and POST /matrix/notify.',
    }),
  );
};

/** Turns a thrown error into a response; details of an unexpected one go only to the log. */
export function errorHandler(maxBodyBytes: number, logger: Logger): ErrorRequestHandler {
  return (thrown, req, res, _next) => {
    if (res.headersSent) return void res.destroy();
    if (thrown instanceof BridgeError) {
      if (thrown.code === 'INTERNAL')
        logger.error({ requestId: req.headers[REQUEST_ID], err: messageOf(thrown) }, 'a request failed');
      return sendError(req, res, thrown);
    }
    if (thrown instanceof URIError) {
      const error = new BridgeError('INVALID_INPUT', `The path ${quote(req.path)} is not a valid URL path.`);
      return sendError(req, res, error);
    }
    const parsed = bodyError.safeParse(thrown);
    if (parsed.success) return refuseBody(req, res, parsed.data, maxBodyBytes);
    const { method, path, headers } = req;
    const requestId = headers[REQUEST_ID];
    logger.error({ requestId, method, path, err: messageOf(thrown) }, 'a request failed');
    const error = new BridgeError('INTERNAL', 'The bridge failed in a way it did not expect; see its log.');
    sendError(req, res, error, { rpcCode: RPC.internal });
  };
}

/** Errors of the body parser. */
const bodyError = z.object({
  /** Absent if the body is not compressed as it says. */
  type: z.string().optional(),
  message: z.string(),
  status: z.number().min(400).max(499),
  /** The limit in bytes that was exceeded. */
  limit: z.number().optional(),
});

function refuseBody(
  req: Request,
  res: Response,
  { type, message, status, limit }: z.infer<typeof bodyError>,
  maxBodyBytes: number,
): void {
  if (type === 'entity.too.large') sendError(req, res, tooLarge(req, limit ?? maxBodyBytes, maxBodyBytes));
  else {
    const why =
      type === 'entity.parse.failed'
        ? 'Parse error: the body is not valid JSON.'
        : `The body cannot be read (${type ?? message}).`;
    sendError(req, res, new BridgeError('INVALID_INPUT', why), { status, rpcCode: RPC.parseError });
  }
}

function tooLarge(req: Request, limit: number, maxBodyBytes: number): BridgeError {
  const size = req.headers['content-length'];
  const message = `The body${size ? ` of ${size} bytes` : ''} is larger than ${limit} bytes`;
  if (limit !== maxBodyBytes)
    return new BridgeError('PAYLOAD_TOO_LARGE', `${message}.`, { next: 'Send less.' });
  return new BridgeError('PAYLOAD_TOO_LARGE', `${message} (MCP_MAX_BODY_BYTES).`, {
    next: 'Put long material into a file in the task directory and name the file, or have the operator raise the limit.',
  });
}
