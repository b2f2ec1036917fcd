import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { readTools, requireTools, toolDenials } from '../../../src/runners/opencode-server/tools.ts';

const TOOLS = { ids: ['bash', 'read', 'edit', 'write', 'apply_patch', 'git_log'], servers: ['git', 'my.db'] };

const denied = (...enabled: string[]) =>
  toolDenials(enabled, TOOLS).map(({ permission, pattern, action }) => `${action} ${permission} ${pattern}`);

it.each([
  [
    ['bash', 'edit', 'git_*'],
    ['deny read mcp:my.db:*', 'deny read *', 'deny git_log *', 'deny my_db_* *'],
  ],
  [['edit', 'write', 'bash', 'read', 'git_log', 'git_*', 'my_db_*'], []],
  [
    [],
    [
      ...['deny read mcp:git:*', 'deny read mcp:my.db:*'],
      ...['deny bash *', 'deny read *', 'deny edit *', 'deny git_log *', 'deny git_* *', 'deny my_db_* *'],
    ],
  ],
])('denies all but %j', (enabled, expected) => {
  expect(denied(...enabled)).toEqual(expected);
});

it('refuses a tool that the pattern of a server which is not enabled matches', () => {
  expect(() => requireTools(['git_log'], TOOLS)).toThrow(
    '"git_log", which OpenCode cannot tell from "git_*"',
  );
  expect(() => requireTools(['git_log', 'git_*'], TOOLS)).not.toThrow();
});

it('names a bounded number of tools, and nothing that steers a terminal', () => {
  const ids = Array.from({ length: 5_000 }, (_, at) => `tool\u001b[31m${at}`);
  expect(() => requireTools(['x'], { ids, servers: [] })).toThrow(
    expect.objectContaining({ next: expect.stringMatching(/^[\x20-\x7e]{1,3000}$/) }),
  );
});

it.each([
  ['no list', '{"a":1}', 'application/json', 200, 'ENGINE_ERROR'],
  ['a list of something else', '[{"id":"bash"}]', 'application/json', 200, 'ENGINE_ERROR'],
  ['a web page', '<html>', 'text/html', 200, 'ENGINE_'],
  ['a refusal', '', 'text/plain', 401, 'ENGINE_UNAUTHORIZED'],
  ['nothing, for too long', undefined, '', 200, 'ENGINE_UNAVAILABLE'],
])('takes no tools from a server that answers with %s', async (_, body, type, status, code) => {
  const server = createServer((_request, response) => {
    if (body !== undefined) response.writeHead(status, { 'content-type': type }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  try {
    const read = readTools(
      { url: `http://127.0.0.1:${port}`, username: 'x' },
      '/w',
      body === undefined ? 200 : 10_000,
    );
    await expect(read).rejects.toMatchObject({ code: expect.stringContaining(code) });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
