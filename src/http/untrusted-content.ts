/**
 * Headers of a response with content that a task made: a browser must neither guess its type nor run scripts of it, and
 * other origins must not embed it.
 */
export const UNTRUSTED: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
  'Cross-Origin-Resource-Policy': 'same-origin',
};
