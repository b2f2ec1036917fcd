import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';
import { startServer } from './server.ts';

const CLI = join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** Those that fit any server; all others want tools, prompts or resources of a test server. */
const SCENARIOS = [
  'server-initialize',
  'ping',
  'tools-list',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
];

let server: Awaited<ReturnType<typeof startServer>>;
let folder: Awaited<ReturnType<typeof tempDir>>;

beforeAll(async () => {
  server = await startServer();
  folder = await tempDir('conformance-');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder.remove();
});

test.each(SCENARIOS)('the official conformance scenario %s passes', async (scenario) => {
  const { code, output } = await run(['server', '--url', server.url, '--scenario', scenario]);
  expect(output).toMatch(/Passed: [1-9]\d*\/\d+, 0 failed, 0 warnings/);
  expect(code, output).toBe(0);
});

function run(args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [CLI, ...args],
      { cwd: folder.path, timeout: 30_000 },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
        resolve({ code, output: stdout + stderr });
      },
    );
  });
}
