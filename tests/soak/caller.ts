import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';
import { ERROR_META } from '../../src/mcp/error-result.ts';
import type { BridgeProcess } from './bridge-process.ts';

const CALL_LIMIT_MS = 20_000;
const RETRY_MS = 200;
const errorSchema = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });

/** The bridge has answered, and a repetition would be answered the same. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** An MCP client as agents have one: where a call fails, it is made again, over a new connection if need be. */
export class Caller {
  readonly #bridge: BridgeProcess;
  #client: Promise<Client> | undefined;
  /** Calls that had to be made again. */
  repeated = 0;

  constructor(bridge: BridgeProcess) {
    this.#bridge = bridge;
  }

  /** Calls until there is an answer. */
  async call(name: string, args: Record<string, unknown>): Promise<unknown> {
    for (;;) {
      try {
        return await this.once(name, args);
      } catch (thrown) {
        if (thrown instanceof Refused) throw thrown;
        this.repeated += 1;
        await sleep(RETRY_MS);
      }
    }
  }

  /** Calls once. */
  async once(name: string, args: Record<string, unknown>): Promise<unknown> {
    const signal = this.#bridge.gone;
    const connecting = this.#client ?? this.#connect();
    this.#client = connecting;
    try {
      const client = await connecting;
      const options = { timeout: CALL_LIMIT_MS, signal };
      const result = await client.callTool({ name, arguments: args }, undefined, options);
      if (!result.isError) return result.structuredContent;
      const { code, message, retryable } = errorSchema.parse(result._meta?.[ERROR_META]);
      throw retryable ? new Error(message) : new Refused(`${code}: ${message}`);
    } catch (thrown) {
      if (!(thrown instanceof Refused) && this.#client === connecting) await this.close();
      throw thrown;
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.then((open) => open.close()).catch(() => undefined);
  }

  async #connect(): Promise<Client> {
    const client = new Client({ name: 'soak', version: '0' });
    const transport = new StreamableHTTPClientTransport(new URL(this.#bridge.url));
    await client.connect(transport, { timeout: CALL_LIMIT_MS, signal: this.#bridge.gone });
    return client;
  }
}
