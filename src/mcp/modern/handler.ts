import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import {
  type AuthInfo,
  CLIENT_CAPABILITIES_META_KEY,
  classifyInboundRequest,
  createMcpHandler,
  PROTOCOL_VERSION_META_KEY,
} from '@modelcontextprotocol/server';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { ToolServices } from '../tool.ts';
import { InputKeys } from './input-keys.ts';
import { roundTripCodec } from './round-trip.ts';
import { createModernServer, MODERN_TOOLS, type ModernTools } from './server.ts';
import { MAX_STREAMS, Subscriptions } from './subscriptions.ts';

const VERSION = '2026-07-28';
const FIRST_ASKED = ['server/discover', 'tools/list'] as const;

/** A request whose body is parsed. */
interface Incoming {
  request: Request;
  body: unknown;
  authInfo?: AuthInfo;
  /** The same for all requests with one credential; absent where none are configured. */
  credential?: string | undefined;
}

/** Serves requests of the revision 2026-07-28 and later: each has a server object of its own, and there is no session. */
export class ModernHandler {
  readonly #handler: ReturnType<typeof createMcpHandler>;
  readonly #subscriptions: Subscriptions;
  readonly #ending = new AbortController();

  /** `stateKey` is the same after a restart; without one, a call that has asked its client must begin again then. */
  constructor(
    services: ToolServices,
    logger: Logger,
    tools: ModernTools = MODERN_TOOLS,
    stateKey: Uint8Array = randomBytes(32),
  ) {
    const ending = this.#ending.signal;
    const codec = roundTripCodec(stateKey);
    const options = { services, logger, ending, keys: new InputKeys(), tools, codec };
    this.#subscriptions = new Subscriptions(options);
    this.#handler = createMcpHandler(
      ({ requestInfo }) => createModernServer(options, requestInfo?.headers.get('mcp-method')),
      {
        legacy: 'reject',
        bus: this.#subscriptions.bus,
        maxSubscriptions: MAX_STREAMS,
        onerror: (error) => logger.debug({ err: messageOf(error) }, 'error in an MCP request'),
      },
    );
  }

  /** Asks itself what a client asks first: the SDK makes most of its schemas at their first use. */
  async prepare(): Promise<void> {
    for (const method of FIRST_ASKED) {
      const headers = {
        'content-type': 'application/json',
        'mcp-protocol-version': VERSION,
        'mcp-method': method,
      };
      const request = new Request('http://localhost/mcp', { method: 'POST', headers });
      const _meta = { [PROTOCOL_VERSION_META_KEY]: VERSION, [CLIENT_CAPABILITIES_META_KEY]: {} };
      const answer = await this.answer({
        request,
        body: { jsonrpc: '2.0', id: 1, method, params: { _meta } },
      });
      await answer.text();
      // Requests that have come meanwhile are first.
      await setImmediate();
    }
  }

  /** Whether a request belongs here; all others are for sessions. */
  takes({ method, headers }: Request, body: unknown): boolean {
    const header = (name: string) => headers.get(name) ?? undefined;
    const { kind } = classifyInboundRequest({
      httpMethod: method,
      ...defined('protocolVersionHeader', header('mcp-protocol-version')),
      ...defined('mcpMethodHeader', header('mcp-method')),
      ...defined('mcpNameHeader', header('mcp-name')),
      body,
    });
    return kind !== 'legacy';
  }

  /** The response; when `request.signal` aborts, its call stops waiting. */
  answer({ request, body, authInfo, credential }: Incoming): Promise<Response> {
    const serve = (parsedBody: unknown): Promise<Response> =>
      this.#handler.fetch(request, { parsedBody, ...(authInfo ? { authInfo } : {}) });
    const { headers } = request;
    return this.#subscriptions.answer({ body, headers, authInfo, credential }, serve);
  }

  /** Waiting calls answer with the current state and this reason; subscriptions end. */
  end(reason: string): void {
    this.#ending.abort(reason);
    this.#subscriptions.end();
  }

  /** Cuts the calls that are still open. */
  close(): Promise<void> {
    return this.#handler.close();
  }
}

function defined<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, string>);
}
