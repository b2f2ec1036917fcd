import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { z } from 'zod';
import { KEY_LIFETIME_MS } from '../../src/execution/admission.ts';
import { ExecutionManager, type ExecutionManagerOptions } from '../../src/execution/execution-manager.ts';
import type { Logger } from '../../src/logger.ts';
import { ERROR_META } from '../../src/mcp/error-result.ts';
import { ModernHandler } from '../../src/mcp/modern/handler.ts';
import { createMcpServer } from '../../src/mcp/server.ts';
import type { ToolLimits, ToolServices } from '../../src/mcp/tool.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBrowserSessionStore } from '../../src/store/sqlite/sqlite-browser-session-store.ts';
import { SqliteMcpSessionStore } from '../../src/store/sqlite/sqlite-mcp-session-store.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { Task } from '../../src/tasks/task.ts';
import { Retention } from '../../src/workspaces/retention.ts';
import { TaskFiles } from '../../src/workspaces/task-files.ts';
import { tempDir } from '../support/temp.ts';
import { connectLegacy, connectModern, currentEra, type McpClient } from './era.ts';
import { ScriptedRunner } from './scripted-runner.ts';

export interface BridgeOptions {
  limits?: Partial<ExecutionManagerOptions['limits']>;
  requests?: Partial<ExecutionManagerOptions['requests']>;
  toolLimits?: ToolLimits;
  retentionMs?: number;
  elicitation?: 'auto' | 'off';
  maxFileSize?: number;
  gate?: ExecutionManagerOptions['gate'];
}

/** A log that a test can look into. */
class RecordedLog implements Logger {
  readonly lines: string[];
  readonly #fields: object;
  debug = this.#record('debug');
  info = this.#record('info');
  warn = this.#record('warn');
  error = this.#record('error');

  constructor(lines: string[] = [], fields: object = {}) {
    this.lines = lines;
    this.#fields = fields;
  }

  child(fields: object): Logger {
    return new RecordedLog(this.lines, { ...this.#fields, ...fields });
  }

  #record(level: string) {
    return (fields: object, message: string): void => {
      this.lines.push(JSON.stringify({ level, message, ...this.#fields, ...fields }));
    };
  }
}

export type Bridge = Awaited<ReturnType<typeof startScriptedBridge>>;

/** The bridge with a scripted runner, in a temporary folder; `await using` removes all of it. */
export async function startScriptedBridge(options: BridgeOptions = {}) {
  const folder = await tempDir('bridge-mcp-');
  const workspaceDir = join(folder.path, 'work');
  await mkdir(workspaceDir);
  const logger = new RecordedLog();
  const runner = new ScriptedRunner();
  const database = openDatabase(join(folder.path, 'data'));
  const store = new SqliteTaskStore(database);
  const log = new EventLog(store);
  const files = new TaskFiles({
    workspaceDir,
    roots: [],
    snapshotsDir: join(folder.path, 'snapshots'),
    maxFileSize: options.maxFileSize ?? 1_000_000,
    env: { PATH: process.env.PATH },
    logger,
  });
  const limits = {
    maxConcurrent: 5,
    maxQueued: 5,
    defaultTimeoutMs: 600_000,
    maxTimeoutMs: 600_000,
    maxDescriptionLength: 10_000,
    ...options.limits,
  };
  const requests = {
    policy: 'ask' as const,
    outside: 'reject' as const,
    timeoutMs: 600_000,
    ...options.requests,
  };
  const recovery = { policy: 'continue', max: 2 } as const;
  const removal = new Retention({
    removals: new SqliteTaskRemovals(database),
    files,
    keepMs: 0,
    keyLifetimeMs: KEY_LIFETIME_MS,
    deliveryMaxAgeMs: 60_000,
    onHidden: () => log.announceRemoval(),
    logger,
  });
  const rules = { limits, requests, recovery };
  const execution = new ExecutionManager({
    runner,
    log,
    files,
    ...rules,
    removal,
    ...(options.gate && { gate: options.gate }),
    logger,
  });
  const services: ToolServices = {
    execution,
    blockId: (taskId) => taskId.replace('task_', 'block_'),
    block: async (taskId) => ({ artifacts: [{ type: 'file', path: `of ${taskId}` }] }),
    version: '1.2.3',
    mode: runner.name,
    startedAt: Date.now(),
    dependencies: () => execution.health(),
    ...(options.toolLimits ? { limits: options.toolLimits } : {}),
    retentionMs: options.retentionMs ?? 0,
    elicitation: options.elicitation ?? 'auto',
  };
  const connections: { close(): Promise<void> }[] = [];
  return {
    folder: folder.path,
    workspaceDir,
    logger,
    runner,
    log,
    execution,
    services,
    sessions: new SqliteBrowserSessionStore(database),
    mcpSessions: new SqliteMcpSessionStore(database),
    /** A client in memory; one of the old era has a session of its own. */
    async client(): Promise<TestClient> {
      if (currentEra() === '2026-07-28') {
        const client = await connectInMemory(new ModernHandler(services, logger));
        connections.push(client);
        return client;
      }
      const [near, far] = InMemoryTransport.createLinkedPair();
      const server = createMcpServer(services, logger);
      await server.connect(far);
      const client = await connectClient(near);
      connections.push(client, server);
      return client;
    },
    /** Resolves with the task as soon as `is` holds of it. */
    async until(taskId: string, is: (task: Task) => boolean): Promise<Task> {
      for await (const _ of log.follow(taskId, 0)) {
        const task = log.get(taskId);
        if (task && is(task)) return task;
      }
      throw new Error(`${taskId} ended before that`);
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection.close();
      await execution.close(0);
      store.close();
      await folder.remove();
    },
  };
}

/** What a call came to: the structured answer, or the error. */
export interface Called {
  text: string;
  structured: Record<string, unknown>;
  error?: z.infer<typeof errorSchema> | undefined;
}

const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  next: z.string(),
  retryable: z.boolean(),
  retry_after_seconds: z.number().optional(),
});
const contentSchema = z.tuple([z.object({ type: z.literal('text'), text: z.string() })]);

/** An SDK client that knows the tools, and so checks every answer against the listed output schema. */
export class TestClient {
  readonly client: McpClient;

  constructor(client: McpClient) {
    this.client = client;
  }

  async call(name: string, args: Record<string, unknown> = {}, options?: RequestOptions): Promise<Called> {
    const result = await this.client.callTool({ name, arguments: args }, options);
    const [{ text }] = contentSchema.parse(result.content);
    if (!result.isError) return { text, structured: result.structuredContent ?? {} };
    const error = errorSchema.parse(result._meta?.[ERROR_META]);
    if (result.structuredContent !== undefined) throw new Error('an error with structured content');
    return { text, structured: {}, error };
  }

  /** Calls a tool that must not fail. */
  async ok(name: string, args: Record<string, unknown> = {}, options?: RequestOptions): Promise<Called> {
    const called = await this.call(name, args, options);
    if (called.error) throw new Error(`${name}: ${called.text}`);
    return called;
  }

  /** Hands over a task and answers with its id. */
  async start(args: Record<string, unknown> = {}): Promise<string> {
    const { structured } = await this.ok('opencode_execute_task', { task_description: 'do it', ...args });
    return z.string().parse(structured.task_id);
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

/** Connects a real client over a transport. */
export async function connectClient(transport: Transport): Promise<TestClient> {
  return testClient(await connectLegacy(transport));
}

/** Connects a client that knows the tools. */
export async function testClient(client: McpClient): Promise<TestClient> {
  await client.listTools();
  return new TestClient(client);
}

/** Connects a client of 2026-07-28 to the handler of its requests. */
async function connectInMemory(handler: ModernHandler): Promise<TestClient> {
  const target = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const { body, ...rest } = init ?? {};
    const request = new Request(url, rest);
    return handler.answer({ request, body: JSON.parse(String(body)) });
  };
  return testClient(await connectModern({ url: 'http://localhost/mcp', fetch: target }));
}
