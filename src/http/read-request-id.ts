import express, { type Request, type Response } from 'express';

/** Limits for a body of an unauthenticated caller. */
const LIMIT_BYTES = 16_384;
const WAIT_MS = 1_000;

const parse = express.json({ limit: LIMIT_BYTES, inflate: false });

/**
 * Reads the body of a request that is refused whatever it holds, only so that the error can carry the request's id;
 * then calls `refuse` in any case. A body that is large, of unknown length, slow or not JSON is ignored.
 */
export function readRequestId(req: Request, res: Response, refuse: () => void): void {
  const length = Number(req.headers['content-length'] ?? Number.NaN);
  if (!(length > 0 && length <= LIMIT_BYTES)) return void refuse();
  let refused = false;
  const once = (): void => {
    clearTimeout(timer);
    if (refused) return;
    refused = true;
    refuse();
  };
  const timer = setTimeout(once, WAIT_MS);
  parse(req, res, once);
}
