import { createMCPClient } from '@ai-sdk/mcp';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startServer } from '../http/server.ts';
import { expectObserved, versionOf } from './observed.ts';
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts';

let server: Awaited<ReturnType<typeof startServer>>;
let proxy: RecordingProxy;

beforeAll(async () => {
  server = await startServer();
  await restart();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  proxy = await startRecordingProxy(() => server.url);
});
afterEach(() => proxy[Symbol.asyncDispose]());

/** Another server in the place of this one, which has the stored sessions. */
function restart(): Promise<void> {
  return server.restart({ sessionStore: server.bridge.mcpSessions });
}

interface Connected {
  ping(): Promise<unknown>;
  close(): Promise<void>;
}

/** A library declares what the program that uses it can do. */
const ABILITIES = { elicitation: { form: {} } };
const PING = { name: 'ping', arguments: {} };

async function withSessions(url: string): Promise<Connected> {
  const client = new Client({ name: 'c', version: '1' }, { capabilities: ABILITIES });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  await client.listTools();
  return {
    ping: () => client.callTool(PING, undefined, { onprogress: () => undefined }),
    close: () => client.close(),
  };
}

function modern(mode: 'auto' | 'legacy') {
  return async (url: string): Promise<Connected> => {
    const client = new ModernClient(
      { name: 'c', version: '1' },
      { versionNegotiation: { mode }, capabilities: ABILITIES },
    );
    await client.connect(new ModernTransport(new URL(url)));
    await client.listTools();
    return {
      ping: () => client.callTool(PING, { onprogress: () => undefined }),
      close: () => client.close(),
    };
  };
}

async function aiSdk(url: string): Promise<Connected> {
  const client = await createMCPClient({ transport: { type: 'http', url } });
  const { ping } = await client.tools();
  if (!ping?.execute) throw new Error('no ping among the tools of the AI SDK');
  const { execute } = ping;
  return {
    ping: async () => execute({}, { toolCallId: '1', messages: [] } as never),
    close: () => client.close(),
  };
}

it.each([
  ['sdk-v1', '`@modelcontextprotocol/sdk`', '@modelcontextprotocol/sdk', withSessions],
  [
    'sdk-v2-auto',
    '`@modelcontextprotocol/client`, mode `auto`',
    '@modelcontextprotocol/client',
    modern('auto'),
  ],
  [
    'sdk-v2-legacy',
    '`@modelcontextprotocol/client`, default',
    '@modelcontextprotocol/client',
    modern('legacy'),
  ],
  ['ai-sdk', 'AI SDK, `@ai-sdk/mcp`', '@ai-sdk/mcp', aiSdk],
] as const)('%s calls a tool, also after a restart of the bridge', async (id, client, name, connect) => {
  const connected = await connect(proxy.url);
  expect(JSON.stringify(await connected.ping())).toContain('pong');
  await restart();
  const again = await connected.ping().then((answer) => JSON.stringify(answer), String);
  await connected.close();
  await expectObserved(id, {
    client,
    version: versionOf(name),
    transport: 'http',
    sent: proxy.sent,
    restart: again.includes('pong'),
  });
});

it('a client gets title and icon once in a session, and in each answer without one the title alone', async () => {
  const old = new Client({ name: 'c', version: '1' });
  await old.connect(new StreamableHTTPClientTransport(new URL(server.url)));
  const icon = { mimeType: 'image/svg+xml', sizes: ['any'], src: expect.stringMatching(/^data:image\/svg/) };
  expect(old.getServerVersion()).toMatchObject({ title: 'OpenCode bridge', icons: [icon] });
  await old.close();
  const recent = new ModernClient({ name: 'c', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await recent.connect(new ModernTransport(new URL(server.url)));
  expect(recent.getServerVersion()).toEqual({
    name: 'letta-opencode-plugin',
    title: 'OpenCode bridge',
    version: '1.2.3',
  });
  await recent.close();
});
