import { Agent, Dispatcher, EnvHttpProxyAgent, setGlobalDispatcher } from 'undici';
import { isLoopback } from './loopback.ts';

/** The way to the outside. */
export interface ProxyRules {
  http?: string | undefined;
  https?: string | undefined;
  /** Hosts that are called directly, as NO_PROXY has them. */
  none: string;
  /** Why the proxies cannot be used: the outside then cannot be called. */
  fault?: string | undefined;
}

/**
 * From now on each `fetch` of this process reaches loopback directly, and everything else as the rules say; also
 * where Node was told to use proxies by itself, which would send loopback there too.
 */
export function routeRequests(rules: ProxyRules): void {
  setGlobalDispatcher(new Routes(rules));
}

class Routes extends Dispatcher {
  readonly #direct = new Agent();
  readonly #outside: Dispatcher | undefined;
  readonly #fault: string | undefined;

  constructor({ http = '', https = '', none, fault }: ProxyRules) {
    super();
    this.#fault = fault;
    if (fault !== undefined) return;
    // Many proxies let CONNECT pass to port 443 alone.
    const options = { httpProxy: http, httpsProxy: https, noProxy: none, proxyTunnel: false };
    this.#outside = new EnvHttpProxyAgent(options);
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { hostname } = new URL(String(options.origin));
    if (isLoopback(hostname)) return this.#direct.dispatch(options, handler);
    if (this.#outside) return this.#outside.dispatch(options, handler);
    throw new ProxyUnusable(this.#fault);
  }
}

/** The cause of a `fetch` to the outside that failed for the rules alone. */
class ProxyUnusable extends Error {
  readonly code = 'PROXY_UNUSABLE';
}
