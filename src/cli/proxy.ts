import { proxies } from '../config/proxy.ts';

/** Sends requests through the proxy that the environment names, except those to loopback. */
export async function applyProxyVariables(): Promise<void> {
  const rules = proxies();
  if (!rules) return;
  // Loaded only where there is a proxy, so that other starts are faster.
  const { routeRequests } = await import('../proxy.ts');
  routeRequests(rules);
}
