import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { z } from 'zod';
import { BridgeError, quote } from '../../errors.ts';
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
import { failure, unavailable } from './api-failure.ts';
import { authorization, type Endpoint } from './endpoint.ts';
import { enabledMcpServers, type McpServer } from './mcp-servers.ts';
import { partId } from './message-id.ts';

/** A cold instance under load needs seconds; a request that takes longer than this has gone wrong. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A session's first request boots the instance of its directory; with many at once, one waits for the others. */
const BOOT_TIMEOUT_MS = 120_000;
const PAGE = 50;
const messagesSchema = z.array(z.object({ info: messageSchema, parts: z.array(partSchema) }));
const configSchema = z.object({ model: z.string().optional(), default_agent: z.string().optional() });
/** So many directories are remembered in which a session was aborted. */
const ABORTS_KEPT = 1_000;

export interface PromptRequest {
  sessionId: string;
  messageId: string;
  text: string;
  model?: string | undefined;
  agent: string;
}

/** The answers of one OpenCode server, parsed; every failure is a BridgeError. */
export class OpenCodeApi {
  readonly #endpoint: Endpoint;
  readonly #client: OpencodeClient;
  /** Directories in which a session was aborted since they were last disposed of, the latest last. */
  readonly #aborts = new Set<string>();

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#client = createOpencodeClient({ baseUrl: endpoint.url, headers: authorization(endpoint) });
  }

  async health(timeoutMs: number): Promise<{ version: string }> {
    const data = await this.#call('health', this.#client.global.health(within(timeoutMs)));
    const health = z.object({ healthy: z.literal(true), version: z.string() }).safeParse(data);
    if (health.success) return health.data;
    throw unavailable(`${this.#endpoint.url} answers, but not as OpenCode does.`);
  }

  /** With rules of its own before those that every session gets. */
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

  /** Adds rules to those of a session; OpenCode reads them when the next turn begins. */
  async addRules(sessionID: string, permission: PermissionRule[]): Promise<void> {
    const updated = this.#client.session.update({ sessionID, permission }, within(REQUEST_TIMEOUT_MS));
    await this.#call('update session', updated);
  }

  /** The root of the repository that OpenCode takes a directory to be in; `/` where there is none. */
  async worktree(directory: string): Promise<string> {
    const data = await this.#call('path', this.#client.path.get({ directory }, within(BOOT_TIMEOUT_MS)));
    return z.object({ worktree: z.string() }).parse(data).worktree;
  }

  async deleteSession(sessionID: string): Promise<void> {
    const deleted = this.#client.session.delete({ sessionID }, within(REQUEST_TIMEOUT_MS));
    await this.#call('delete session', deleted);
  }

  async prompt({ sessionId, messageId, text, model, agent }: PromptRequest): Promise<void> {
    const [providerID = '', ...rest] = (model ?? '').split('/');
    const sent = this.#client.session.promptAsync(
      {
        sessionID: sessionId,
        messageID: messageId,
        agent,
        ...(model !== undefined && { model: { providerID, modelID: rest.join('/') } }),
        parts: [{ id: partId(messageId), type: 'text', text }],
      },
      within(REQUEST_TIMEOUT_MS),
    );
    await this.#call('prompt', sent);
  }

  async abort(sessionID: string, directory: string): Promise<void> {
    this.#aborts.delete(directory);
    this.#aborts.add(directory);
    for (const oldest of this.#aborts) if (this.#aborts.size > ABORTS_KEPT) this.#aborts.delete(oldest);
    await this.#call(
      'abort',
      this.#client.session.abort({ sessionID, directory }, within(REQUEST_TIMEOUT_MS)),
    );
  }

  /** Whether an abort by the bridge may be why something in the directory breaks off. */
  hasAborted(directory: string): boolean {
    return this.#aborts.has(directory);
  }

  /** The sessions of a directory that are at work; an idle one is absent. */
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

  /** A session's messages, oldest first: all, or from the one with this id on (none where it is not there). */
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

  /** The model and agent that a prompt in this directory uses when none is named. */
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

  /** Names of the agents that can take a prompt in this directory. */
  async agents(directory: string): Promise<string[]> {
    const agents = await this.#agents(directory);
    return agents.filter(({ hidden }) => !hidden).map(({ name }) => name);
  }

  /** The permission rules of an agent; none of one that it does not know. */
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

  /**
   * A file's exact bytes. Not by `/file/content`, which trims text and invents an empty file where there is
   * none; the route used here has no SDK method, and answers a missing file with HTTP 500.
   */
  async readFile(directory: string, path: string): Promise<Buffer> {
    const segments = path.split('/').map(encodeURIComponent).join('/');
    const url = new URL(`${this.#endpoint.url}/api/fs/read/${segments}`);
    url.searchParams.set('location[directory]', directory);
    const options = { headers: authorization(this.#endpoint), ...within(REQUEST_TIMEOUT_MS) };
    const response = await fetch(url, options).catch((thrown) => {
      throw failure('read file', this.#endpoint.url, undefined, thrown);
    });
    const body = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw failure('read file', this.#endpoint.url, response.status, undefined);
    if (!response.headers.get('content-type')?.startsWith('text/html')) return body;
    throw new BridgeError('ENGINE_NOT_FOUND', `OpenCode has no file ${quote(path)} in that directory.`);
  }

  /** Frees what OpenCode holds for a directory; aborts what runs there. */
  async dispose(directory: string): Promise<void> {
    this.#aborts.delete(directory);
    await this.#call('dispose', this.#client.instance.dispose({ directory }, within(REQUEST_TIMEOUT_MS)));
  }

  async #call(what: string, request: Promise<Answer>): Promise<unknown> {
    // It rejects where the answer breaks off, or is of type text/html and nothing else.
    const { data, error, response }: Answer = await request.catch((error: unknown) => ({ error }));
    if (!response?.ok) throw failure(what, this.#endpoint.url, response?.status, error);
    if (!response.headers.get('content-type')?.startsWith('text/html')) return data;
    throw unavailable(`${this.#endpoint.url} answers "${what}" with a web page, not as OpenCode does.`);
  }
}

interface Answer {
  data?: unknown;
  error?: unknown;
  response?: Response | undefined;
}

function within(ms: number): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(ms) };
}
