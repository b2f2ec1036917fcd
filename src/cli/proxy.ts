import { proxies } from '../config/proxy.ts';

/** Takes requests to the outside through the proxy that the environment names, and none to loopback. */
export async function obeyProxyVariables(): Promise<void> {
  const rules = proxies();
  if (!rules) return;
  // Where there is no proxy, a start need not load what speaks to one.
  const { routeRequests } = await import('../proxy.ts');
  routeRequests(rules);
}
