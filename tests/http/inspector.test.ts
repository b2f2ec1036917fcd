import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { tempDir } from '../support/temp.ts';
import { startServer } from './server.ts';

const CLI = join(import.meta.dirname, '../../node_modules/.bin/mcp-inspector');

let server: Awaited<ReturnType<typeof startServer>>;
let home: Awaited<ReturnType<typeof tempDir>>;

beforeAll(async () => {
  server = await startServer();
  home = await tempDir('inspector-');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await home.remove();
});

test('the MCP Inspector lists the tools', async () => {
  const { tools } = z
    .object({ tools: z.array(z.object({ name: z.string() })) })
    .parse(await inspect('tools/list'));
  expect(tools.map(({ name }) => name)).toContain('opencode_execute_task');
});

test('the MCP Inspector calls a tool', async () => {
  const answer = await inspect('tools/call', '--tool-name', 'ping');
  expect(answer).toMatchObject({ structuredContent: { pong: true } });
});

function inspect(method: string, ...more: string[]): Promise<unknown> {
  const args = ['--cli', server.url, '--transport', 'http', '--method', method, ...more];
  const env = { PATH: process.env.PATH, HOME: home.path };
  return new Promise((resolve, reject) => {
    execFile(CLI, args, { cwd: home.path, env, timeout: 50_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(JSON.parse(stdout));
    });
  });
}
