import { highlight, type Token } from './highlight.ts';

/** A grammar can take very long on some texts, also on those that were made for that. */
const LIMIT_MS = 5_000;
/** Lines that are handed over together; the page receives each time while it does something else. */
const BATCH = 500;

/** Only Chromium and Safari have them yet; the types of the DOM do not. */
declare const trustedTypes:
  | {
      createPolicy(
        name: string,
        rules: { createScriptURL(url: string): string },
      ): { createScriptURL(url: string): string };
    }
  | undefined;

/** The one exception from Trusted Types: it lets this module alone become a worker. The CSP of the page names it. */
function ownUrl(): string {
  if (typeof trustedTypes === 'undefined') return import.meta.url;
  policy ??= trustedTypes.createPolicy('highlight-worker', { createScriptURL: () => import.meta.url });
  return policy.createScriptURL('');
}

let policy: { createScriptURL(url: string): string } | undefined;

interface Job {
  text: string;
  language: string;
}

/**
 * The lines of a text with their colours, made outside of the page's thread; undefined if that takes too long. This
 * module has two sides: the page imports it, and starts a worker whose program is the same file.
 */
export function highlightAside(job: Job, signal: AbortSignal): Promise<Token[][] | undefined> {
  const worker = new Worker(ownUrl(), { type: 'module' });
  return new Promise<Token[][] | undefined>((resolve) => {
    const lines: Token[][] = [];
    const timer = setTimeout(() => end(undefined), LIMIT_MS);
    const end = (result: Token[][] | undefined): void => {
      clearTimeout(timer);
      worker.terminate();
      resolve(result);
    };
    signal.addEventListener('abort', () => end(undefined));
    worker.addEventListener('error', () => end(undefined));
    worker.addEventListener('message', ({ data }: MessageEvent<Token[][]>) => {
      if (data.length === 0) return end(lines);
      lines.push(...data);
    });
    worker.postMessage(job);
  });
}

if (typeof document === 'undefined') {
  addEventListener('message', ({ data }: MessageEvent<Job>) => {
    const lines = highlight(data.text, data.language);
    for (let from = 0; from < lines.length; from += BATCH) postMessage(lines.slice(from, from + BATCH));
    postMessage([]);
  });
}
