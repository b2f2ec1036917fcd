import { createHash } from 'node:crypto';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { BridgeError } from '../../errors.ts';
import { sendError } from '../errors.ts';
import type { Asset, Bundle } from './bundle.ts';
import { Compressed, ENCODINGS } from './encodings.ts';
import { pageHtml } from './html.ts';
import { loadPage, WEB_FOLDER } from './load-page.ts';
import { ASSET_HEADERS, PAGE_HEADERS } from './page-headers.ts';

const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
};

/**
 * The web page. Its HTML is the same for everybody and needs no token: what it shows, it reads from the task API. A
 * path that is the API's too is answered with HTML only to what prefers HTML, as the navigation of a browser does.
 */
export function pageRoutes(folder = WEB_FOLDER): Router {
  const router = Router();
  const compressed = new Compressed();
  let loading: Promise<Bundle> | undefined;
  const load = (): Promise<Bundle> => {
    loading ??= loadPage(folder).catch((thrown: unknown) => {
      // What was missing may be there the next time.
      loading = undefined;
      throw thrown;
    });
    return loading;
  };
  const html = orUnavailable(async (req, res) => sendHtml(req, res, await load()));
  router.get(['/', '/new', '/system', '/sign-in'], (req, res, next) => {
    res.vary('Accept');
    return req.accepts('html') ? html(req, res, next) : next();
  });
  router.get('/tasks/:task_id', (req, res, next) => {
    res.vary('Accept');
    return req.accepts(['json', 'html']) === 'html' ? html(req, res, next) : next();
  });
  router.get(
    '/assets/:name',
    orUnavailable(async (req, res, next) => {
      const asset = (await load()).assets.find(({ name }) => name === req.params.name);
      if (asset) await sendAsset(req, res, asset, compressed);
      else next();
    }),
  );
  return router;
}

/** Answers 503 while the page cannot be loaded. */
function orUnavailable(handler: (...args: Parameters<RequestHandler>) => Promise<void>): RequestHandler {
  return (req, res, next) =>
    handler(req, res, next).catch((thrown: unknown) => {
      if (!(thrown instanceof BridgeError)) throw thrown;
      sendError(req, res, thrown, { status: 503 });
    });
}

function sendHtml(req: Request, res: Response, { entry }: Bundle): void {
  const html = pageHtml(entry, req.path.split('/').length - 2);
  const etag = `"${createHash('sha256').update(html).digest('base64url').slice(0, 27)}"`;
  res.set({ ...PAGE_HEADERS, 'Cache-Control': 'no-cache', ETag: etag });
  if (req.fresh) res.status(304).end();
  else res.type('html').send(html);
}

async function sendAsset(req: Request, res: Response, asset: Asset, compressed: Compressed): Promise<void> {
  const { name, content } = asset;
  const accepted = req.acceptsEncodings();
  const encoding = ENCODINGS.find((it) => accepted.includes(it));
  res.set({
    ...ASSET_HEADERS,
    'Content-Type': TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
  });
  res.vary('Accept-Encoding');
  if (encoding) res.set('Content-Encoding', encoding);
  res.send(encoding ? await compressed.get(name, content, encoding) : Buffer.from(content));
}
