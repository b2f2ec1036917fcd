import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';
import { runScenario } from './conformance-cli.ts';
import { conformanceTools } from './conformance-tools.ts';
import { startFormFiller } from './form-filler.ts';
import { startServer } from './server.ts';

let folder: Awaited<ReturnType<typeof tempDir>>;
const closes: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = await tempDir('conformance-modern-');
});
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
});
afterAll(() => folder.remove());

/**
 * Of 2026-07-28, those that fit any server with tools, resources and prompts. Not these: resources-read-*,
 * resources-templates-read, prompts-get-*, completion-complete, server-stateless, input-required-result-* and tools-call-*
 * want the resources, prompts and tools of a test server; http-custom-header-server-validation wants a tool whose arguments
 * are headers.
 */
const OF_ANY_SERVER = [
  'dns-rebinding-protection',
  'server-sse-multiple-streams',
  'http-header-validation',
  'tools-list',
  'resources-list',
  'sep-2164-resource-not-found',
  'prompts-list',
  'caching',
  'input-required-result-unsupported-methods',
];

/**
 * Tasks, with the suite's tools over the real store. Not these: tasks-required-task-error, because no tool needs Tasks;
 * tasks-mrtr-composition, because no tool asks before its task exists; tasks-status-notifications, which the suite skips.
 */
const OF_TASKS = [
  'tasks-lifecycle',
  'tasks-capability-negotiation',
  'tasks-wire-fields',
  'tasks-request-state-removal',
  'tasks-mrtr-input',
  'tasks-request-headers',
  'tasks-dispatch-and-envelope',
];

const PASSED = /Passed: [1-9]\d*\/\d+, 0 failed, 0 warnings/;

test.each(OF_ANY_SERVER)(
  'the official conformance scenario %s passes without a session',
  async (scenario) => {
    await using server = await startServer();
    const { code, output } = await runScenario(server.url, scenario, folder.path, '2026-07-28');
    expect(output).toMatch(PASSED);
    expect(code, output).toBe(0);
  },
);

test.each(OF_TASKS)('the official conformance scenario %s passes', async (scenario) => {
  await using server = await startServer({ modernTools: conformanceTools, limits: { maxConcurrent: 20 } });
  const person = await startFormFiller(server.url);
  closes.push(person.close);
  // With a revision the suite runs none of these, and reports success.
  const { code, output } = await runScenario(person.url, scenario, folder.path);
  expect(output).toMatch(PASSED);
  expect(code, output).toBe(0);
});
