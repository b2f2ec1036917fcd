import type { Request } from 'express';
import { BridgeError, quote } from '../errors.ts';

/**
 * Headers of a response with content that a task made: a browser must neither guess its type nor run scripts of it, and
 * other origins must not embed it.
 */
export const UNTRUSTED: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** What a browser asks for to run it, or to apply it to a page; of a task's files nothing is needed for that. */
const EXECUTABLE: ReadonlySet<unknown> = new Set([
  'script',
  'style',
  'worker',
  'sharedworker',
  'serviceworker',
  'audioworklet',
  'paintworklet',
  'xslt',
]);

/**
 * Throws FORBIDDEN where a page is about to run the content. The page of the bridge has the same origin, so its policy
 * (`script-src 'self'`) alone would let a script that somebody injected load another one from a task.
 */
export function refuseToRun({ headers }: Request): void {
  const destination = headers['sec-fetch-dest'];
  if (!EXECUTABLE.has(destination)) return;
  throw new BridgeError('FORBIDDEN', `The content of a task is not served as ${quote(destination)}.`, {
    next: 'Copy the file to where your page is.',
  });
}
