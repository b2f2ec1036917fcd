import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startServer } from '../http/server.ts';
import { tempDir } from '../support/temp.ts';
import { expectObserved, versionOf } from './observed.ts';
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts';

const CLI = join(import.meta.dirname, '../../node_modules/.bin/mcp-inspector');

let server: Awaited<ReturnType<typeof startServer>>;
let proxy: RecordingProxy;
let home: Awaited<ReturnType<typeof tempDir>>;

beforeAll(async () => {
  server = await startServer();
  proxy = await startRecordingProxy(() => server.url);
  home = await tempDir('inspector-');
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await home.remove();
});

test.each(['legacy', 'modern'])(
  'the MCP Inspector of the %s era lists and calls tools',
  {
    timeout: 120_000,
  },
  async (era) => {
    const before = proxy.sent.length;
    const { tools } = z
      .object({ tools: z.array(z.object({ name: z.string() })) })
      .parse(await inspect(era, 'tools/list'));
    expect(tools.map(({ name }) => name)).toContain('opencode_execute_task');
    const answer = await inspect(era, 'tools/call', '--tool-name', 'ping');
    expect(answer).toMatchObject({ structuredContent: { pong: true } });
    await expectObserved(`inspector-${era}`, {
      client: `MCP Inspector, CLI, \`--protocol-era ${era}\``,
      version: versionOf('@modelcontextprotocol/inspector'),
      transport: 'http',
      sent: proxy.sent.slice(before),
      restart: 'one run',
    });
  },
);

function inspect(era: string, method: string, ...more: string[]): Promise<unknown> {
  const target = ['--cli', proxy.url, '--transport', 'http', '--protocol-era', era];
  const args = [...target, '--method', method, ...more];
  const env = { PATH: process.env.PATH, HOME: home.path };
  return new Promise((resolve, reject) => {
    execFile(CLI, args, { cwd: home.path, env, timeout: 50_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(JSON.parse(stdout));
    });
  });
}
