import type { Request, Response } from 'express';
import { BridgeError, quote } from '../errors.ts';
import { sendError } from './errors.ts';
import { RPC } from './rpc.ts';

const RETRY_AFTER_SECONDS = 5;

export function refuseMethod(req: Request, res: Response): void {
  res.set('Allow', 'GET, POST, DELETE');
  const error = new BridgeError('INVALID_INPUT', `Method ${req.method} is not allowed on /mcp.`);
  sendError(req, res, error, { status: 405 });
}

export function refuseSession(req: Request, res: Response, id: string): void {
  const next = 'Start a new session with initialize; tasks are kept.';
  const error = new BridgeError('NOT_FOUND', `Session not found: ${quote(id)}.`, { next });
  sendError(req, res, error, { rpcCode: RPC.sessionNotFound });
}

/** Clients that open a stream before they have a session continue if GET answers 405. */
export function refuseWithoutSession(req: Request, res: Response): void {
  const message = 'Bad Request: the Mcp-Session-Id header is missing.';
  const next = 'Start a session with initialize (POST) and send its Mcp-Session-Id.';
  const error = new BridgeError('INVALID_INPUT', message, { next });
  if (req.method === 'GET') res.set('Allow', 'POST');
  sendError(req, res, error, req.method === 'GET' ? { status: 405 } : {});
}

export function refuseInitialize(req: Request, res: Response): void {
  const message = 'Bad Request: the params of initialize are not those of the protocol.';
  const next = 'Send protocolVersion, capabilities and clientInfo with name and version.';
  const error = new BridgeError('INVALID_INPUT', message, { next });
  sendError(req, res, error, { rpcCode: RPC.invalidParams });
}

export function refuseForm(req: Request, res: Response): void {
  const offered = req.method === 'GET' ? 'text/event-stream' : 'application/json or text/event-stream';
  const message = `Not Acceptable: Accept ${quote(req.headers.accept)} is not served here.`;
  const error = new BridgeError('INVALID_INPUT', message, { next: `Accept ${offered}.` });
  sendError(req, res, error, { status: 406 });
}

export function refuseRepeatedId(req: Request, res: Response, id: string | number): void {
  const message = `Invalid Request: the batch has the id ${quote(id)} more than once.`;
  const error = new BridgeError('INVALID_INPUT', message, { next: 'Give each request an id of its own.' });
  sendError(req, res, error, { rpcCode: RPC.invalidRequest });
}

export function refuseSecondStream(req: Request, res: Response): void {
  const message = 'Conflict: this session already has an open stream.';
  const error = new BridgeError('INVALID_STATE', message, { next: 'Close that one first.' });
  sendError(req, res, error);
}

export function refuseEventId(req: Request, res: Response, id: string): void {
  const message = `Bad Request: Last-Event-ID ${quote(id)} is no event of this bridge.`;
  const error = new BridgeError('INVALID_INPUT', message, {
    next: 'Send the id of the last event, or none.',
  });
  sendError(req, res, error);
}

export function refuseStopping(req: Request, res: Response): void {
  const next = 'Try again once it is back; tasks are kept.';
  const error = new BridgeError('SHUTTING_DOWN', 'The bridge is stopping.', {
    next,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
  res.set('Connection', 'close');
  sendError(req, res, error);
}
