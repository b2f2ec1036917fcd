import { createHash } from 'node:crypto';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { BridgeError } from '../../errors.ts';
import { WEB_FOLDER } from '../../package.ts';
import { sendError } from '../errors.ts';
import type { Asset, Bundle } from './bundle.ts';
import { Compressed, ENCODINGS } from './encodings.ts';
import { type Authentication, pageHtml } from './html.ts';
import { loadPage } from './load-page.ts';
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
export function pageRoutes(authentication: Authentication, folder = WEB_FOLDER): Router {
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
  const html = orUnavailable(async (req, res) => sendHtml(req, res, await load(), authentication));
  // Not `get`, with which a router also answers OPTIONS, in place of the API.
  router.all(['/', '/new', '/system', '/sign-in'], (req, res, next) => {
    res.vary('Accept');
    return isRead(req) && req.accepts('html') ? html(req, res, next) : next();
  });
  router.all('/tasks/:task_id', (req, res, next) => {
    res.vary('Accept');
    return isRead(req) && req.accepts(['json', 'html']) === 'html' ? html(req, res, next) : next();
  });
  const asset = orUnavailable(async (req, res, next) => {
    const found = (await load()).assets.find(({ name }) => name === req.params.name);
    if (found) await sendAsset(req, res, found, compressed);
    else next();
  });
  router.all('/assets/:name', (req, res, next) => (isRead(req) ? asset(req, res, next) : next()));
  return router;
}

function isRead({ method }: Request): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Answers 503 while the page cannot be loaded. */
function orUnavailable(handler: (...args: Parameters<RequestHandler>) => Promise<void>): RequestHandler {
  return (req, res, next) =>
    handler(req, res, next).catch((thrown: unknown) => {
      if (!(thrown instanceof BridgeError)) throw thrown;
      sendError(req, res, thrown, { status: 503 });
    });
}

function sendHtml(req: Request, res: Response, { entry }: Bundle, authentication: Authentication): void {
  const depth = req.path.split('/').length - 2;
  const html = pageHtml(entry, { depth, authentication, isList: req.url === '/' });
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
