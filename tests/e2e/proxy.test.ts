import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { commandLine, rowsOf } from '../cli/command.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import { type ForwardProxy, startForwardProxy } from '../support/forward-proxy.ts';
import { startLetta } from '../support/letta.ts';
import { sharedOpenCode } from '../support/shared-engine.ts';
import { tempDir } from '../support/temp.ts';
import { SECRET, startReceiver } from '../support/webhook-receiver.ts';
import { bridgeEnv, type StdioProgram, startProgram, startStdio } from './program.ts';

const taskSchema = z.object({ task_id: z.string(), status: z.string() });
/** Of Node; the bridge is to behave the same without it. */
const FLAG = { NODE_USE_ENV_PROXY: '1' };
let proxy: ForwardProxy;

beforeEach(async () => {
  proxy = await startForwardProxy();
});
afterEach(() => proxy[Symbol.asyncDispose]());

const variables = () => ({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url });

describe('loopback', () => {
  let model: ScriptedModel;

  beforeEach(async () => {
    model = await startScriptedModel();
  });
  afterEach(() => model.close());

  it('is called directly: the embedded OpenCode, its event stream, and stdio on its way to serve', async () => {
    await using folder = await tempDir('proxy-');
    const env = { ...bridgeEnv(folder.path, model.url), ...variables(), ...FLAG };
    const serve = startProgram('serve', env);
    let editor: StdioProgram | undefined;
    try {
      const [, url = ''] = await serve.says(/"url":"(http:[^"]+\/mcp)"/);
      // Only now: the first of the two to come owns DATA_DIR.
      editor = startStdio(env);
      await editor.connect();
      const client = new Client({ name: 'test', version: '0' });
      await client.connect(new StreamableHTTPClientTransport(new URL(url)));
      for (const one of [client, editor.client]) {
        const task_description = scriptText([{ text: 'done' }]);
        const { structuredContent } = await one.callTool({
          name: 'opencode_execute_task',
          arguments: { task_description, sync: true },
        });
        expect(taskSchema.parse(structuredContent).status).toBe('completed');
      }
      await client.close();
      const [, engine = ''] = await serve.says(/"url":"http:\/\/([^"/]+)","msg":"the embedded/);
      // What OpenCode itself calls is its own affair: it has the variables, as people's own has.
      const REGISTRY = '127.0.0.1:1';
      expect(new Set(proxy.asked.filter((target) => target !== REGISTRY))).toEqual(
        new Set([new URL(model.url).host]),
      );
      expect(proxy.asked).not.toContain(engine);
    } finally {
      editor?.endInput();
      await editor?.exit;
      serve.child.kill('SIGTERM');
      await serve.exit;
    }
  });

  it('is called directly by doctor and opencode health, where the server is not ours', async () => {
    await using cli = await commandLine();
    const { engine } = await sharedOpenCode();
    const access = {
      OPENCODE_SERVER_ENABLED: 'true',
      OPENCODE_SERVER_URL: engine.url,
      OPENCODE_SERVER_PASSWORD: engine.password,
      ...variables(),
      ...FLAG,
    };
    const outcome = await cli.run('doctor', access);
    expect(rowsOf(outcome)['OpenCode server']).toMatch(/^ok /);
    const health = await cli.run(['opencode', 'health', '--baseUrl', engine.url], access);
    expect(health).toMatchObject({ code: 0 });
    expect(proxy.asked).toEqual([]);
  });

  it('is where Docker is, over TCP', async () => {
    await using cli = await commandLine();
    const asked: string[] = [];
    const docker = createServer((incoming, outgoing) => {
      asked.push(incoming.url ?? '');
      outgoing.setHeader('content-type', 'application/json').end('{"Version":"1","ApiVersion":"1.41"}');
    });
    await new Promise<void>((resolve) => docker.listen(0, '127.0.0.1', resolve));
    const { port } = docker.address() as AddressInfo;
    const DOCKER_HOST = `tcp://127.0.0.1:${port}`;
    const outcome = await cli.run('doctor', { DOCKER_HOST, ...variables(), ...FLAG });
    docker.close();
    docker.closeAllConnections();
    expect(rowsOf(outcome)['Docker Engine']).toBe(`ok 1, API 1.41 (${DOCKER_HOST})`);
    expect(asked).toContain('/version');
    expect(proxy.asked).toEqual([]);
  });
});

describe('the outside', () => {
  const outside = {
    OPENCODE_BIN: '/nowhere/opencode',
    OPENCODE_SERVER_ENABLED: 'true',
    LETTA_API_URL: 'http://letta.test:8283',
    LETTA_API_TOKEN: 's3cret',
    MATRIX_ENABLED: 'true',
    MATRIX_HOMESERVER_URL: 'http://matrix.test:8008',
    MATRIX_USER_ID: '@bridge:mx.test',
    WEBHOOK_URL: 'http://hooks.test:8080/a',
    WEBHOOK_SECRET: SECRET,
  };

  it.each([{}, FLAG])('is called through the proxy, with %j', async (flag) => {
    await using cli = await commandLine();
    await using letta = await startLetta('s3cret');
    await using homeserver = await startFakeHomeserver();
    await using receiver = await startReceiver();
    const bot = await homeserver.user('bridge');
    const places: Record<string, string> = {
      'hooks.test:8080': receiver.host,
      'letta.test:8283': new URL(letta.url).host,
      'matrix.test:8008': new URL(homeserver.url).host,
    };
    proxy.place = (target) => places[target] ?? '127.0.0.1:1';
    const env = { ...outside, MATRIX_ACCESS_TOKEN: bot.token, ...variables(), ...flag };
    const rows = rowsOf(await cli.run('doctor', env));
    expect(rows.Letta).toBe('ok http://letta.test:8283 answers');
    expect(rows.webhook).toBe('ok hooks.test:8080 answers');
    expect(rows.Matrix).toBe('ok http://matrix.test:8008 answers as @bridge:mx.test');
    expect([...new Set(proxy.asked)].sort()).toEqual(Object.keys(places));

    proxy.asked.length = 0;
    await cli.run('doctor', {
      ...env,
      NO_PROXY: 'other.test, .test:8283, hooks.test',
      OPENCODE_SERVER_URL: 'http://opencode.test:4096',
    });
    expect([...new Set(proxy.asked)].sort()).toEqual(['matrix.test:8008', 'opencode.test:4096']);
    proxy.asked.length = 0;
    await cli.run('doctor', { ...env, no_proxy: '*' });
    expect(proxy.asked).toEqual([]);
  });

  it('takes a proxy that wants a password, which nobody gets to read', async () => {
    await using cli = await commandLine();
    await using letta = await startLetta('s3cret');
    await using strict = await startForwardProxy('pass-word');
    strict.place = () => new URL(letta.url).host;
    const { MATRIX_ENABLED: _, ...env } = outside;
    const outcome = await cli.run('doctor', { ...env, http_proxy: strict.url, NO_PROXY: 'a.test' });
    const rows = rowsOf(outcome);
    expect(rows.Letta).toMatch(/^ok /);
    expect(rows.proxy).toBe(
      `ok http_proxy ${strict.url.replace('user:pass-word', '…')}, NO_PROXY a.test; loopback is called directly`,
    );
    expect(outcome.stdout + outcome.stderr).not.toContain('pass-word');
  });

  it.each(['socks5://127.0.0.1:1', 'http://', 'a b'])(
    'is not called at all where the proxy is %j',
    async (HTTP_PROXY) => {
      await using cli = await commandLine();
      await using letta = await startLetta('s3cret');
      const { MATRIX_ENABLED: _, ...env } = outside;
      const outcome = await cli.run('doctor', {
        ...env,
        LETTA_API_URL: 'http://letta.test:8283',
        HTTP_PROXY,
      });
      const rows = rowsOf(outcome);
      expect(rows.proxy).toMatch(/^warn HTTP_PROXY ".*" is not an address of an HTTP proxy/);
      expect(rows.Letta).toMatch(/^warn .*PROXY_UNUSABLE/);
      const local = await cli.run('doctor', { ...env, LETTA_API_URL: letta.url, HTTP_PROXY });
      expect(rowsOf(local).Letta).toMatch(/^ok /);
    },
  );
});
