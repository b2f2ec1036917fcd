import Letta from '@letta-ai/letta-client';
import { wellFormed } from '../../text.ts';
import { LettaFailure, lettaFailure } from './letta-failure.ts';

/** Time limit of one request. */
const CALL_LIMIT_MS = 15_000;
/** How many of an agent's latest messages a lookup reads. */
const LATEST = 100;

export interface LettaEndpoint {
  url: string;
  token?: string | undefined;
}

/** A block to create. */
export interface NewBlock {
  label: string;
  description: string;
  tags: string[];
  /** Maximum length in characters. */
  limit: number;
  value: string;
}

type Signal = AbortSignal | undefined;

/**
 * The requests that the bridge sends to Letta. Each is sent once: the caller decides what a failure means and when to
 * retry. They reject with LettaFailure.
 */
export class LettaApi {
  readonly #client: Letta;

  constructor({ url, token }: LettaEndpoint) {
    this.#client = new Letta({
      baseURL: url,
      apiKey: token ?? null,
      timeout: CALL_LIMIT_MS,
      maxRetries: 0,
      // The client would write to stdout, which belongs to the protocol in stdio mode.
      logLevel: 'off',
    });
  }

  /** Resolves if Letta answers and accepts the token. */
  async check(): Promise<void> {
    await attempt('list blocks', this.#client.blocks.list({ limit: 1 }));
  }

  async createBlock(block: NewBlock, signal: Signal): Promise<string> {
    const created = this.#client.blocks.create(wellFormed({ ...block, read_only: true }), { signal });
    return (await attempt('create block', created)).id;
  }

  /** A block with this label and all these tags. */
  async findBlock(label: string, tags: string[], signal: Signal): Promise<string | undefined> {
    const query = { label, tags, match_all_tags: true };
    const { items } = await attempt('find block', this.#client.blocks.list(query, { signal }));
    return items.find((block) => block.label === label)?.id;
  }

  /** The block with this label that is attached to the agent. */
  async attachedBlock(agentId: string, label: string, signal: Signal): Promise<string | undefined> {
    try {
      for await (const block of this.#client.agents.blocks.list(agentId, {}, { signal })) {
        if (block.label === label) return block.id;
      }
      return undefined;
    } catch (thrown) {
      throw lettaFailure('list blocks of the agent', thrown);
    }
  }

  async updateBlock(id: string, value: string, signal: Signal): Promise<void> {
    await attempt('update block', this.#client.blocks.update(id, wellFormed({ value }), { signal }));
  }

  /** Does nothing if the block is attached already. */
  async attach(id: string, agentId: string, signal: Signal): Promise<void> {
    const attached = this.#client.agents.blocks.attach(id, { agent_id: agentId }, { signal });
    await attempt('attach block', attached);
  }

  /** Detaches the block from the agent and deletes it. Succeeds if either is gone already. */
  async removeBlock(id: string, agentId: string, signal: Signal): Promise<void> {
    const detached = this.#client.agents.blocks.detach(id, { agent_id: agentId }, { signal });
    await attempt('detach block', detached).catch(unlessGone);
    await attempt('delete block', this.#client.blocks.delete(id, { signal })).catch(unlessGone);
  }

  /** Sends the agent a message and does not wait for its turn. */
  async sendMessage(agentId: string, content: string, otid: string, signal: Signal): Promise<void> {
    const messages = [{ role: 'system' as const, content: content.toWellFormed(), otid }];
    await attempt(
      'message the agent',
      this.#client.agents.messages.createAsync(agentId, { messages }, { signal }),
    );
  }

  /** Whether the agent's latest messages include one with this `otid`, or a system message that contains `prefix`. */
  async hasMessage(agentId: string, otid: string, prefix: string, signal: Signal): Promise<boolean> {
    const query = { limit: LATEST, order: 'desc' as const };
    const listed = this.#client.agents.messages.list(agentId, query, { signal });
    const { items } = await attempt('list messages of the agent', listed);
    return items.some(
      (message) =>
        ('otid' in message && message.otid === otid) ||
        (message.message_type === 'system_message' && message.content.includes(prefix)),
    );
  }
}

async function attempt<T>(what: string, call: PromiseLike<T>): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    throw lettaFailure(what, thrown);
  }
}

function unlessGone(thrown: unknown): void {
  const gone =
    thrown instanceof LettaFailure && (thrown.kind === 'block_gone' || thrown.kind === 'agent_gone');
  if (!gone) throw thrown;
}
