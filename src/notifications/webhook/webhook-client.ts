import { z } from 'zod';
import { DeliveryError } from '../../delivery-error.ts';
import { messageOf } from '../../errors.ts';
import { VERSION } from '../../package.ts';
import { type ProxyRules, type RequestRouter, requestRouter } from '../../proxy.ts';
import { retryAfterMs } from '../retry-after.ts';
import { isExplicit } from './callback-hosts.ts';
import { checkedLookup } from './public-addresses.ts';

const MAX_ANSWER_BYTES = 16_384;
const MAX_ANSWER_MS = 1_000;
const USER_AGENT = `letta-opencode-plugin/${VERSION}`;

export interface WebhookClientOptions {
  /** Names must resolve to addresses that may be called (`isReachable`). Absent: there is no such check. */
  addresses?: { allowPrivate: boolean; lookup?: Parameters<typeof checkedLookup>[1] } | undefined;
  proxies?: ProxyRules | undefined;
}

/** Sends requests to receivers of webhooks; follows no redirect. Error texts have the host only: a path may be secret. */
export class WebhookClient {
  readonly #open: RequestRouter;
  readonly #checked: RequestRouter;

  constructor({ addresses, proxies }: WebhookClientOptions) {
    this.#open = requestRouter(proxies);
    this.#checked = addresses
      ? requestRouter(proxies, checkedLookup(addresses.allowPrivate, addresses.lookup))
      : this.#open;
  }

  /** Sends a message. Throws DeliveryError unless the answer is a 2xx; it is final where the receiver is gone (410). */
  async post(
    url: URL,
    body: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const all = { ...headers, 'content-type': 'application/json' };
    const { status, retryAfter } = await this.#request(url, { method: 'POST', headers: all, body, signal });
    if (status >= 200 && status < 300) return;
    const wait = status === 429 || status === 503 ? retryAfterMs(retryAfter) : undefined;
    throw new DeliveryError(`${url.host} answered HTTP ${status}${hint(status)}`, {
      final: status === 410,
      ...(wait !== undefined && { retryAfterMs: wait }),
    });
  }

  /** The status of the answer to a request that changes nothing. */
  async head(url: URL, signal: AbortSignal): Promise<number> {
    return (await this.#request(url, { method: 'HEAD', signal })).status;
  }

  async #request(
    url: URL,
    options: {
      method: 'POST' | 'HEAD';
      headers?: Record<string, string>;
      body?: string;
      signal: AbortSignal;
    },
  ): Promise<{ status: number; retryAfter: string | undefined }> {
    const router = isExplicit(url.hostname) ? this.#open : this.#checked;
    const path = `${url.pathname}${url.search}`;
    const headers = { ...options.headers, 'user-agent': USER_AGENT };
    try {
      const answer = await router.request({ ...options, headers, origin: url.origin, path });
      // The body means nothing; reading a short one lets the connection be used again.
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(MAX_ANSWER_MS)]);
      await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal }).catch(() => undefined);
      const retryAfter = answer.headers['retry-after'];
      return { status: answer.statusCode, retryAfter: Array.isArray(retryAfter) ? undefined : retryAfter };
    } catch (thrown) {
      throw new DeliveryError(`${url.host}: ${reasonOf(thrown)}`, { cause: thrown });
    }
  }
}

function hint(status: number): string {
  return status >= 300 && status < 400 ? ', and redirects are not followed' : '';
}

const coded = z.object({ code: z.string() });

function reasonOf(thrown: unknown): string {
  const { data } = coded.safeParse(thrown);
  const code = data?.code ?? '';
  return code === '' || code === 'ADDRESS_REFUSED' ? messageOf(thrown) : code;
}
