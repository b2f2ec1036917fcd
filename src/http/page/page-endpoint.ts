import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Request, type Response, Router } from 'express';
import { type Bundle, bundlePage } from './bundle.ts';
import { pageHtml } from './html.ts';

const SOURCES = fileURLToPath(new URL('../../web/main.tsx', import.meta.url));
const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * The web page. Its HTML is the same for everybody and needs no token: what it shows, it reads from the task API. A
 * path that is the API's too is answered with HTML only to what prefers HTML, as the navigation of a browser does.
 */
export function pageRoutes(): Router {
  const router = Router();
  let bundle: Promise<Bundle> | undefined;
  const load = (): Promise<Bundle> => {
    bundle ??= bundlePage(SOURCES);
    return bundle;
  };
  if (!existsSync(SOURCES)) return router;
  const page = async (req: Request, res: Response): Promise<void> => {
    const depth = req.path.split('/').length - 2;
    res
      .set('Cache-Control', 'no-store')
      .set(
        'Content-Security-Policy',
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      )
      .type('html')
      .send(pageHtml(await load(), depth));
  };
  router.get(['/', '/new', '/system', '/sign-in'], page);
  // Not a route of its own: the task API answers OPTIONS and HEAD there.
  router.use((req, res, next) => {
    if (req.method !== 'GET' || !/^\/tasks\/[^/]+$/.test(req.path)) return next();
    res.vary('Accept');
    if (req.accepts('json', 'html') === 'html') return page(req, res);
    next();
  });
  router.get('/assets/:name', async (req, res, next) => {
    const asset = (await load()).assets.find(({ name }) => name === req.params.name);
    if (!asset) return next();
    const type = TYPES[asset.name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
    res
      .set('Cache-Control', 'public, max-age=31536000, immutable')
      .type(type)
      .send(Buffer.from(asset.content));
  });
  return router;
}
