import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { z } from 'zod';
import type { PermissionRule } from '../opencode-protocol/outside-rules.ts';
import { SESSION_RULES } from '../opencode-protocol/session-rules.ts';
import {
  agentsSchema,
  type MessageWithParts,
  messageSchema,
  type PermissionAsked,
  partSchema,
  permissionSchema,
  type QuestionAsked,
  questionSchema,
  type ServerFile,
  type Session,
  type SessionStatus,
  serverFileSchema,
  sessionSchema,
  statusSchema,
} from '../opencode-protocol/wire.ts';
import { type Answer, dataOf, unavailable } from './api-failure.ts';
import { authorization, type Endpoint } from './endpoint.ts';
import { enabledMcpServers, type McpServer } from './mcp-servers.ts';
import { partId } from './message-id.ts';
import { readServerFile } from './read-server-file.ts';
import { RecentAborts } from './recent-aborts.ts';

/** A cold instance under load needs seconds; a request that takes longer has failed. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A session's first request starts the instance of its directory; many at once wait for each other. */
const BOOT_TIMEOUT_MS = 120_000;
const PAGE = 50;
const messagesSchema = z.array(z.object({ info: messageSchema, parts: z.array(partSchema) }));
const configSchema = z.object({ model: z.string().optional(), default_agent: z.string().optional() });

export interface PromptRequest {
  sessionId: string;
  messageId: string;
  text: string;
  model?: string | undefined;
  agent: string;
  system?: string | undefined;
}

/** The requests to one OpenCode server. Answers are parsed; every failure is a BridgeError. */
export class OpenCodeApi {
  readonly #endpoint: Endpoint;
  readonly #client: OpencodeClient;
  readonly #aborts = new RecentAborts();

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#client = createOpencodeClient({ baseUrl: endpoint.url, headers: authorization(endpoint) });
  }

  async health(timeoutMs: number): Promise<{ version: string }> {
    const data = await this.#call('health', this.#client.global.health(within(timeoutMs)));
    const health = z.object({ healthy: z.literal(true), version: z.string() }).safeParse(data);
    if (health.success) return health.data;
    throw unavailable(`${this.#endpoint.url} answers, but is not an OpenCode server.`);
  }

  /** `rules` come before those that every session gets. */
  async createSession(
    directory: string,
    title: string,
    metadata: Record<string, string>,
    rules: readonly PermissionRule[] = [],
  ): Promise<Session> {
    const session = { directory, title, metadata, permission: [...rules, ...SESSION_RULES] };
    const created = this.#client.session.create(session, within(BOOT_TIMEOUT_MS));
    return sessionSchema.parse(await this.#call('create session', created));
  }

  async session(sessionID: string): Promise<Session> {
    const session = this.#client.session.get({ sessionID }, within(REQUEST_TIMEOUT_MS));
    return sessionSchema.parse(await this.#call('get session', session));
  }

  /** Appends rules to those of a session; OpenCode reads them when the next turn begins. */
  async addRules(sessionID: string, permission: PermissionRule[]): Promise<void> {
    const updated = this.#client.session.update({ sessionID, permission }, within(REQUEST_TIMEOUT_MS));
    await this.#call('update session', updated);
  }

  /** The root of the repository that OpenCode finds for a directory; `/` without a repository. */
  async worktree(directory: string): Promise<string> {
    const data = await this.#call('path', this.#client.path.get({ directory }, within(BOOT_TIMEOUT_MS)));
    return z.object({ worktree: z.string() }).parse(data).worktree;
  }

  async deleteSession(sessionID: string): Promise<void> {
    const deleted = this.#client.session.delete({ sessionID }, within(REQUEST_TIMEOUT_MS));
    await this.#call('delete session', deleted);
  }

  async prompt({ sessionId, messageId, text, model, agent, system }: PromptRequest): Promise<void> {
    const [providerID = '', ...rest] = (model ?? '').split('/');
    const sent = this.#client.session.promptAsync(
      {
        sessionID: sessionId,
        messageID: messageId,
        agent,
        ...(model !== undefined && { model: { providerID, modelID: rest.join('/') } }),
        ...(system !== undefined && { system }),
        parts: [{ id: partId(messageId), type: 'text', text }],
      },
      within(REQUEST_TIMEOUT_MS),
    );
    await this.#call('prompt', sent);
  }

  async abort(sessionID: string, directory: string): Promise<void> {
    this.#aborts.onAbort(directory);
    await this.#call(
      'abort',
      this.#client.session.abort({ sessionID, directory }, within(REQUEST_TIMEOUT_MS)),
    );
  }

  /** Stands for the instance that the directory has now, in `hasAborted`. */
  instance(directory: string): number {
    return this.#aborts.instance(directory);
  }

  /** Whether an abort by the bridge may have broken this instance of the directory. */
  hasAborted(directory: string, instance: number): boolean {
    return this.#aborts.has(directory, instance);
  }

  /** The busy sessions of a directory; an idle session is absent. */
  async statuses(directory: string): Promise<Map<string, SessionStatus>> {
    const data = await this.#call(
      'status',
      this.#client.session.status({ directory }, within(REQUEST_TIMEOUT_MS)),
    );
    return new Map(Object.entries(z.record(z.string(), statusSchema).parse(data)));
  }

  async children(sessionID: string): Promise<Session[]> {
    const children = this.#client.session.children({ sessionID }, within(REQUEST_TIMEOUT_MS));
    return z.array(sessionSchema).parse(await this.#call('children', children));
  }

  /** A session's messages, oldest first: all, or from the one with this id on (none if it does not exist). */
  async messagesFrom(sessionID: string, firstId?: string): Promise<MessageWithParts[]> {
    let messages: MessageWithParts[] = [];
    let before: string | undefined;
    do {
      const result = this.#client.session.messages(
        { sessionID, limit: PAGE, ...(before !== undefined && { before }) },
        within(REQUEST_TIMEOUT_MS),
      );
      const page = messagesSchema.parse(await this.#call('messages', result));
      messages = [...page, ...messages];
      const first = messages.findIndex(({ info }) => info.id === firstId);
      if (first >= 0) return messages.slice(first);
      before = (await result).response?.headers.get('x-next-cursor') ?? undefined;
    } while (before !== undefined);
    return firstId === undefined ? messages : [];
  }

  async permissions(directory: string): Promise<PermissionAsked[]> {
    const data = this.#client.permission.list({ directory }, within(REQUEST_TIMEOUT_MS));
    return z.array(permissionSchema).parse(await this.#call('permissions', data));
  }

  async questions(directory: string): Promise<QuestionAsked[]> {
    const data = this.#client.question.list({ directory }, within(REQUEST_TIMEOUT_MS));
    return z.array(questionSchema).parse(await this.#call('questions', data));
  }

  async replyPermission(
    requestID: string,
    directory: string,
    reply: 'once' | 'always' | 'reject',
    message?: string,
  ): Promise<void> {
    const body = { requestID, directory, reply, ...(message !== undefined && { message }) };
    await this.#call('reply', this.#client.permission.reply(body, within(REQUEST_TIMEOUT_MS)));
  }

  async replyQuestion(requestID: string, directory: string, answers: string[][]): Promise<void> {
    const body = { requestID, directory, answers };
    await this.#call('reply', this.#client.question.reply(body, within(REQUEST_TIMEOUT_MS)));
  }

  async rejectQuestion(requestID: string, directory: string): Promise<void> {
    const rejected = this.#client.question.reject({ requestID, directory }, within(REQUEST_TIMEOUT_MS));
    await this.#call('reject', rejected);
  }

  /** The model and agent that OpenCode uses in this directory by default. */
  async defaults(directory: string): Promise<{ model?: string | undefined; agent?: string | undefined }> {
    const data = await this.#call(
      'config',
      this.#client.config.get({ directory }, within(REQUEST_TIMEOUT_MS)),
    );
    const { model, default_agent: agent } = configSchema.parse(data);
    return { model, agent };
  }

  /** The MCP servers that OpenCode starts in this directory. */
  async mcpServers(directory: string): Promise<McpServer[]> {
    const config = this.#client.config.get({ directory }, within(REQUEST_TIMEOUT_MS));
    return enabledMcpServers(await this.#call('config', config));
  }

  /** Names of the agents that accept a prompt in this directory. */
  async agents(directory: string): Promise<string[]> {
    const agents = await this.#agents(directory);
    return agents.filter(({ hidden }) => !hidden).map(({ name }) => name);
  }

  /** The permission rules of an agent; none for an unknown agent. */
  async rulesOf(directory: string, agent: string): Promise<PermissionRule[]> {
    return (await this.#agents(directory)).find(({ name }) => name === agent)?.permission ?? [];
  }

  async #agents(directory: string): Promise<z.infer<typeof agentsSchema>> {
    const listed = this.#client.app.agents({ directory }, within(REQUEST_TIMEOUT_MS));
    return agentsSchema.parse(await this.#call('agents', listed));
  }

  /** The entries of a folder; `path` is relative to the directory. */
  async listFiles(directory: string, path: string): Promise<ServerFile[]> {
    const listed = this.#client.file.list({ directory, path }, within(REQUEST_TIMEOUT_MS));
    return z.array(serverFileSchema).parse(await this.#call('list files', listed));
  }

  /** A file's exact bytes. */
  readFile(directory: string, path: string): Promise<Buffer> {
    return readServerFile(this.#endpoint, directory, path, REQUEST_TIMEOUT_MS);
  }

  /** Frees OpenCode's instance of a directory; aborts what runs there. */
  async dispose(directory: string): Promise<void> {
    await this.#call('dispose', this.#client.instance.dispose({ directory }, within(REQUEST_TIMEOUT_MS)));
    this.#aborts.onDisposed(directory);
  }

  #call(what: string, request: Promise<Answer>): Promise<unknown> {
    return dataOf(what, this.#endpoint.url, request);
  }
}

function within(ms: number): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(ms) };
}
