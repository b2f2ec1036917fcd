import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Run, SystemMessage } from '@letta-ai/letta-client/resources/agents/messages';
import type { BlockResponse } from '@letta-ai/letta-client/resources/blocks/blocks';
import { z } from 'zod';

/** The fate of a request: no answer, before or after it is executed, or another answer. */
type LettaFault = 'refuse' | 'lose answer' | 'hang' | { status: number; retryAfter?: string };

type Block = BlockResponse & { label: string; limit: number; tags: string[] };

interface Agent {
  blocks: Set<string>;
  messages: SystemMessage[];
}

interface Answer {
  status: number;
  body: unknown;
}

const ID = /^(block|agent)-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PAGE = 50;
const COMMIT_MS = 5;

const newBlock = z.object({
  label: z.string(),
  value: z.string(),
  description: z.string().nullable().default(null),
  limit: z.number().default(100_000),
  tags: z.array(z.string()).default([]),
  read_only: z.boolean().default(false),
});
const blockUpdate = z.object({ value: z.string() });
const newMessages = z.object({
  messages: z.array(
    z.object({ role: z.literal('system'), content: z.string(), otid: z.string().optional() }),
  ),
});

class Refusal extends Error {
  readonly answer: Answer;

  constructor(status: number, detail: string) {
    super(detail);
    this.answer = { status, body: { detail } };
  }
}

/** The part of Letta's V1 API that the bridge uses, as measured on a real server 0.16.8. */
export class FakeLetta {
  readonly blocks = new Map<string, Block>();
  readonly agents = new Map<string, Agent>();
  /** Every request, as `METHOD /path`. */
  readonly requests: string[] = [];
  /** All values of each label, in order. */
  readonly values = new Map<string, string[]>();
  /** Decides the fate of a request; undefined executes it. */
  fault: (method: string, path: string) => LettaFault | undefined = () => undefined;
  /** How long an accepted message is not listed. */
  turnMs = 0;
  readonly #token: string | undefined;
  readonly #versions = new Map<string, number>();
  #server: Server | undefined;
  #port = 0;

  constructor(token?: string) {
    this.#token = token;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens; after a stop, on the same port. */
  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = z.object({ port: z.number() }).parse(this.#server.address()).port;
  }

  /** Stops; its state is kept. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  addAgent(): string {
    const id = `agent-${randomUUID()}`;
    this.agents.set(id, { blocks: new Set(), messages: [] });
    return id;
  }

  /** The blocks of the agent. */
  blocksOf(agentId: string): Block[] {
    return [...(this.agents.get(agentId)?.blocks ?? [])].flatMap((id) => this.blocks.get(id) ?? []);
  }

  messagesOf(agentId: string): SystemMessage[] {
    return this.agents.get(agentId)?.messages ?? [];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const { pathname, searchParams } = new URL(url, 'http://letta');
    this.requests.push(`${method} ${pathname}`);
    const body = await text(request).catch(() => undefined);
    const fault = this.fault(method, pathname);
    if (body === undefined || fault === 'hang') return;
    if (fault === 'refuse') {
      request.socket.destroy();
      return;
    }
    const { status, body: json } =
      typeof fault === 'object'
        ? { status: fault.status, body: { detail: 'no' } }
        : await this.#answer(request, method, pathname, searchParams, body);
    if (fault === 'lose answer') {
      request.socket.destroy();
      return;
    }
    if (typeof fault === 'object' && fault.retryAfter) response.setHeader('Retry-After', fault.retryAfter);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(json));
  }

  async #answer(
    { headers }: IncomingMessage,
    method: string,
    path: string,
    query: URLSearchParams,
    body: string,
  ): Promise<Answer> {
    try {
      if (this.#token !== undefined && headers.authorization !== `Bearer ${this.#token}`) {
        throw new Refusal(401, 'Unauthorized');
      }
      return {
        status: 200,
        body: await this.#route(`${method} ${path}`, query, body ? JSON.parse(body) : {}),
      };
    } catch (thrown) {
      if (thrown instanceof Refusal) return thrown.answer;
      return { status: 500, body: { detail: String(thrown) } };
    }
  }

  async #route(call: string, query: URLSearchParams, body: unknown): Promise<unknown> {
    const [, a = '', b = ''] =
      /\/(?:agents|blocks)\/([^/]+)(?:.*\/(?:attach|detach)\/([^/]+))?/.exec(call) ?? [];
    for (const id of [a, b])
      if (id && !ID.test(id)) throw new Refusal(422, `[string_pattern_mismatch ${id}]`);
    if (/^POST \/v1\/blocks\/$/.test(call)) return this.#create(newBlock.parse(body));
    if (/^GET \/v1\/blocks\/$/.test(call)) return this.#list([...this.blocks.values()], query);
    if (/^PATCH \/v1\/blocks\//.test(call)) return this.#update(a, blockUpdate.parse(body).value);
    if (/^DELETE \/v1\/blocks\//.test(call)) return this.#delete(a);
    const agent = this.agents.get(a);
    if (!agent) throw new Refusal(404, 'Agent not found');
    if (/^GET .*\/core-memory\/blocks$/.test(call)) return this.#list(this.blocksOf(a), query);
    if (call.includes('/blocks/attach/')) return this.#attach(a, agent, this.#existing(b));
    if (call.includes('/blocks/detach/')) return this.#detach(a, agent, b);
    if (/^POST .*\/messages\/async$/.test(call)) return this.#message(a, agent, newMessages.parse(body));
    if (/^GET .*\/messages$/.test(call)) return agent.messages.toReversed().slice(0, PAGE);
    throw new Refusal(404, 'Not Found');
  }

  #create({ value, ...fields }: z.infer<typeof newBlock>): Block {
    const block: Block = { id: `block-${randomUUID()}`, value: '', ...fields };
    this.blocks.set(block.id, block);
    this.#set(block, value);
    return block;
  }

  /** Optimistic locking: of concurrent changes of a block one succeeds. */
  async #update(id: string, value: string): Promise<Block> {
    const block = this.#existing(id);
    const version = this.#versions.get(id);
    await sleep(COMMIT_MS);
    if (this.#versions.get(id) !== version) {
      const text = `CONFLICT: Block with id '${id}' was updated by another transaction. Please retry your request.`;
      throw new Refusal(409, text);
    }
    this.#set(this.#existing(id), value);
    return block;
  }

  #set(block: Block, value: string): void {
    if (value.length > block.limit) {
      const text = `Edit failed: Exceeds ${block.limit} character limit (requested ${value.length})`;
      throw new Refusal(400, text);
    }
    block.value = value.replaceAll('\0', '');
    this.#versions.set(block.id, (this.#versions.get(block.id) ?? 0) + 1);
    this.values.set(block.label, [...(this.values.get(block.label) ?? []), block.value]);
  }

  #delete(id: string): null {
    this.#existing(id);
    this.blocks.delete(id);
    for (const { blocks } of this.agents.values()) blocks.delete(id);
    return null;
  }

  #existing(id: string): Block {
    const block = this.blocks.get(id);
    if (!block) throw new Refusal(404, `Block with id '${id}' not found`);
    return block;
  }

  #list(blocks: Block[], query: URLSearchParams): Block[] {
    const label = query.get('label');
    const tags = query.getAll('tags');
    const found = blocks.filter(
      (block) =>
        (label === null || block.label === label) &&
        (tags.length === 0 || tags.every((tag) => block.tags.includes(tag))),
    );
    const from = found.findIndex(({ id }) => id === query.get('after')) + 1;
    return found.slice(from, from + Number(query.get('limit') ?? PAGE));
  }

  #attach(agentId: string, agent: Agent, block: Block): object {
    if (this.blocksOf(agentId).some(({ id, label }) => label === block.label && id !== block.id)) {
      throw new Refusal(409, 'A unique constraint was violated: unique_label_per_agent (INSERT INTO ...)');
    }
    agent.blocks.add(block.id);
    return { id: agentId };
  }

  #detach(agentId: string, agent: Agent, id: string): object {
    if (!agent.blocks.delete(id)) throw new Refusal(404, `Block with id '${id}' not found`);
    return { id: agentId };
  }

  /** The same message twice is two messages: `otid` does not deduplicate. */
  async #message(agentId: string, agent: Agent, { messages }: z.infer<typeof newMessages>): Promise<Run> {
    const seen = (): void => {
      for (const { content, otid } of messages) {
        const id = `message-${randomUUID()}`;
        const date = new Date().toISOString();
        agent.messages.push({ id, date, content, otid: otid ?? null, message_type: 'system_message' });
      }
    };
    if (this.turnMs === 0) seen();
    else void sleep(this.turnMs, undefined, { ref: false }).then(seen);
    return { id: `run-${randomUUID()}`, agent_id: agentId, status: 'created', background: true };
  }
}

/** A fake that listens; `await using` stops it. */
export async function startLetta(token?: string) {
  const letta = new FakeLetta(token);
  await letta.start();
  return Object.assign(letta, { [Symbol.asyncDispose]: () => letta.stop() });
}
