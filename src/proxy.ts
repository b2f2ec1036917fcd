import type { LookupFunction } from 'node:net';
import { Agent, Dispatcher, EnvHttpProxyAgent, setGlobalDispatcher } from 'undici';
import { isLoopback } from './loopback.ts';

/** Which proxies requests use. */
export interface ProxyRules {
  http?: string | undefined;
  https?: string | undefined;
  /** Hosts that are called directly, as NO_PROXY has them. */
  none: string;
  /** Why the proxies cannot be used: requests beyond loopback then fail. */
  fault?: string | undefined;
}

/**
 * From now on each `fetch` of this process calls loopback directly and everything else by the rules. This also
 * overrides Node's own proxy support, which would send loopback requests to the proxy.
 */
export function routeRequests(rules: ProxyRules): void {
  setGlobalDispatcher(new ProxyRouter(rules));
}

/**
 * Sends requests by the same rules, or directly where there are none, and follows no redirect. `lookup` resolves the
 * names of hosts that are called directly; a literal address is not looked up, and a proxy resolves names itself.
 */
export function requestRouter(rules: ProxyRules = { none: '' }, lookup?: LookupFunction): Dispatcher {
  return new ProxyRouter(rules, lookup && { lookup });
}

export type RequestRouter = Pick<Dispatcher, 'request'>;

class ProxyRouter extends Dispatcher {
  readonly #direct: Agent;
  readonly #proxied: Dispatcher | undefined;
  readonly #fault: string | undefined;

  constructor({ http = '', https = '', none, fault }: ProxyRules, connect: Agent.Options['connect'] = {}) {
    super();
    this.#direct = new Agent({ connect });
    this.#fault = fault;
    if (fault !== undefined) return;
    // Many proxies allow CONNECT only to port 443.
    const options = { httpProxy: http, httpsProxy: https, noProxy: none, proxyTunnel: false, connect };
    this.#proxied = new EnvHttpProxyAgent(options);
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { hostname } = new URL(String(options.origin));
    if (isLoopback(hostname)) return this.#direct.dispatch(options, handler);
    if (this.#proxied) return this.#proxied.dispatch(options, handler);
    throw new ProxyUnusable(this.#fault);
  }
}

/** The cause of a `fetch` that failed only because of the rules. */
class ProxyUnusable extends Error {
  readonly code = 'PROXY_UNUSABLE';
}
