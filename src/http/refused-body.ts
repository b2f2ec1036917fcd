import express, { type Request, type Response } from 'express';

/** More of what a stranger sends is not read, nor is it waited for longer. */
const LIMIT_BYTES = 16_384;
const WAIT_MS = 1_000;

const parse = express.json({ limit: LIMIT_BYTES, inflate: false });

/**
 * Reads the body of a request that is refused without it, for the id that the error is to carry; then, in any case,
 * calls `refuse`. What is large, of unknown length, slow or no JSON is as good as not read.
 */
export function readForId(req: Request, res: Response, refuse: () => void): void {
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
