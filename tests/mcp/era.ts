import {
  Client as ModernClient,
  type RequestOptions as ModernOptions,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  type CallToolResult,
  CallToolResultSchema,
  type CompleteRequestParams,
  CompleteResultSchema,
  type GetPromptResult,
  GetPromptResultSchema,
  type ListPromptsResult,
  ListPromptsResultSchema,
  type ListResourcesResult,
  ListResourcesResultSchema,
  type ListResourceTemplatesResult,
  ListResourceTemplatesResultSchema,
  ListToolsResultSchema,
  type ReadResourceResult,
  ReadResourceResultSchema,
  ResourceUpdatedNotificationSchema,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';

/** The revisions that stand for the two eras: with sessions, and without. */
export type Era = '2025-11-25' | '2026-07-28';

let chosen: Era = '2025-11-25';

/** The era of clients that tests make from now on, so only for a file that has a process of its own. */
export function useEra(era: Era): void {
  chosen = era;
}

export function currentEra(): Era {
  return chosen;
}

/** What the tests need of a client, of either SDK. */
export interface McpClient {
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    options?: RequestOptions,
  ): Promise<CallToolResult>;
  listTools(): Promise<{ tools: Tool[] }>;
  listResources(cursor?: string): Promise<ListResourcesResult>;
  listResourceTemplates(): Promise<ListResourceTemplatesResult>;
  readResource(uri: string): Promise<ReadResourceResult>;
  /** Resolves once the server follows it; each update calls `onUpdate`. */
  subscribe(uri: string, onUpdate: (uri: string) => unknown): Promise<{ close(): Promise<void> }>;
  listPrompts(): Promise<ListPromptsResult>;
  getPrompt(name: string, args?: Record<string, string>): Promise<GetPromptResult>;
  complete(params: CompleteRequestParams): Promise<string[]>;
  getInstructions(): string | undefined;
  getServerCapabilities(): object | undefined;
  set onerror(handler: (error: Error) => void);
  set fallbackNotificationHandler(handler: () => Promise<void>);
  close(): Promise<void>;
  /** Leaves for good, so that a session ends. */
  end(): Promise<void>;
}

/** A client with a session. */
export async function connectLegacy(transport: Transport): Promise<McpClient> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport);
  const call: McpClient['callTool'] = async (params, options) =>
    CallToolResultSchema.parse(await client.callTool(params, CallToolResultSchema, options));
  return clientOver(client, call, async (uri, onUpdate) => {
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      onUpdate(params.uri);
    });
    await client.subscribeResource({ uri });
    return { close: async () => void (await client.unsubscribeResource({ uri })) };
  });
}

interface ModernTarget {
  url: string;
  headers?: Record<string, string>;
  /** Absent: over the network. */
  fetch?: typeof fetch;
}

/** A client of the revision 2026-07-28, which refuses a server that does not have it. */
export async function connectModern({ url, headers = {}, fetch }: ModernTarget): Promise<McpClient> {
  const client = new ModernClient(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  const transport = new ModernTransport(new URL(url), {
    requestInit: { headers },
    ...(fetch ? { fetch } : {}),
  });
  await client.connect(transport);
  const call: McpClient['callTool'] = async (params, options) =>
    CallToolResultSchema.parse(await client.callTool(params, options as ModernOptions));
  return clientOver(client, call, async (uri, onUpdate) => {
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      onUpdate(params.uri);
    });
    return client.listen({ resourceSubscriptions: [uri] });
  });
}

function clientOver(
  client: Client | ModernClient,
  callTool: McpClient['callTool'],
  subscribe: McpClient['subscribe'],
): McpClient {
  return {
    callTool,
    subscribe,
    listResources: async (cursor) =>
      ListResourcesResultSchema.parse(await client.listResources(cursor === undefined ? {} : { cursor })),
    listResourceTemplates: async () =>
      ListResourceTemplatesResultSchema.parse(await client.listResourceTemplates()),
    readResource: async (uri) => ReadResourceResultSchema.parse(await client.readResource({ uri })),
    listPrompts: async () => ListPromptsResultSchema.parse(await client.listPrompts()),
    getPrompt: async (name, args = {}) =>
      GetPromptResultSchema.parse(await client.getPrompt({ name, arguments: args })),
    complete: async (params) => CompleteResultSchema.parse(await client.complete(params)).completion.values,
    listTools: async () => ListToolsResultSchema.parse(await client.listTools()),
    getInstructions: () => client.getInstructions(),
    getServerCapabilities: () => client.getServerCapabilities(),
    set onerror(handler: (error: Error) => void) {
      client.onerror = handler;
    },
    set fallbackNotificationHandler(handler: () => Promise<void>) {
      client.fallbackNotificationHandler = handler;
    },
    close: () => client.close(),
    end: async () => {
      if (client.transport instanceof StreamableHTTPClientTransport)
        await client.transport.terminateSession();
      await client.close();
    },
  };
}
