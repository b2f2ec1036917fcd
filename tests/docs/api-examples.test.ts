import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_EXAMPLES } from '../../docs/api-examples.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { SESSION_ROUTES } from '../../src/http/browser-session/session-routes.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { ROUTES } from '../../src/http/tasks/index.ts';
import { startPageServer } from '../web/browser.ts';

const run = promisify(execFile);
const TOKEN = 'a-secret-token';
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/api.md'), 'utf8');
const ALL_ROUTES = [...ROUTES, ...SESSION_ROUTES];
const EXAMPLES = ALL_ROUTES.map(({ method, path, operationId }) => {
  const section = PAGE.split(`\n## ${method.toUpperCase()} ${path}\n`)[1]?.split('\n## ')[0] ?? '';
  return { operationId, method, shell: /```sh\n(.*?)```/s.exec(section)?.[1] ?? '' };
});

test('each is of a route', () => {
  expect(Object.keys(API_EXAMPLES).filter((id) => !EXAMPLES.some((it) => it.operationId === id))).toEqual([]);
});

test('docs/api.md names only variables and error codes that there are', () => {
  const known = new Set([...Object.keys(VARIABLES), 'TOKEN', 'TASK', 'REQUEST', 'BRIDGE']);
  const codes = new Set(JSON.stringify(openApiDocument(ALL_ROUTES)).match(/"[A-Z_]+"/g));
  const named = new Set([...PAGE.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name = '']) => name));
  expect(named.size).toBeGreaterThan(10);
  expect([...named].filter((name) => !known.has(name) && !codes.has(`"${name}"`))).toEqual([]);
});

let server: Awaited<ReturnType<typeof startPageServer>>;
beforeAll(async () => {
  server = await startPageServer({ tokens: [{ token: TOKEN }] }, { authorization: `Bearer ${TOKEN}` });
});
afterAll(() => server[Symbol.asyncDispose]());

test.each(EXAMPLES)('the example of $operationId works', async ({ operationId, method, shell }) => {
  const task = await server.api.start();
  const turn = await server.bridge.runner.turnOf(task);
  await writeFile(join(server.bridge.log.get(task)?.directory ?? '', 'hello.py'), 'print("hello")');
  turn.ask({ id: 'per_1', type: 'permission' });
  await server.bridge.until(task, ({ requests }) => requests.length > 0);
  // A task can be removed, and its stream ends, once it has ended.
  if (method === 'delete' || operationId === 'listEvents') await server.api.post(`/tasks/${task}/cancel`);
  const { stdout } = await curl(shell, { BRIDGE: server.http.url, TOKEN, TASK: task, REQUEST: 'per_1' });
  expect(stdout).toMatch(/(^|\n)(200|201|202|204)$/);
  // So that the next one finds room.
  await server.api.post(`/tasks/${task}/cancel`);
});

/** Runs a command of the page, and prints the status after the answer. The stream without an end is left. */
async function curl(shell: string, env: Record<string, string>) {
  const wrapper = `curl() { command curl -w '\\n%{http_code}' ${shell.includes(' -N ') ? '-m 3' : ''} "$@"; }`;
  const { PATH = '' } = process.env;
  return run('bash', ['-c', `${wrapper}\n${shell.replace('-o task.tar', '-o /dev/null')}`], {
    env: { PATH, ...env },
  }).catch((thrown: Error & { code?: number; stdout?: string }) => {
    // 28: the time was up.
    if (thrown.code !== 28) throw thrown;
    return { stdout: thrown.stdout ?? '' };
  });
}
