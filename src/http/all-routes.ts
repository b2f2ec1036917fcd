import { SESSION_ROUTES } from './browser-session/session-routes.ts';
import { PROVIDER_ROUTES } from './providers/provider-routes.ts';
import type { Route } from './route.ts';
import { ROUTES } from './tasks/index.ts';

/** Every route of the task API; those of sessions are served with the page only. */
export function allRoutes({ sessions = true } = {}): readonly Route[] {
  return [...ROUTES, ...(sessions ? SESSION_ROUTES : []), ...PROVIDER_ROUTES];
}
