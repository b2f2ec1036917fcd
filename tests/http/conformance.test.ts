import { afterAll, beforeAll, expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';
import { runScenario } from './conformance-cli.ts';
import { startServer } from './server.ts';

/**
 * Those that fit any server; all others want tools, prompts or resources of a test server, as completion-complete,
 * resources-subscribe and resources-unsubscribe do.
 */
const SCENARIOS = [
  'server-initialize',
  'ping',
  'tools-list',
  'resources-list',
  'prompts-list',
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
  const { code, output } = await runScenario(server.url, scenario, folder.path);
  expect(output).toMatch(/Passed: [1-9]\d*\/\d+, 0 failed, 0 warnings/);
  expect(code, output).toBe(0);
});
