import { execFile } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { tempDir } from '../support/temp.ts';
import { startApi } from './rest.ts';

const run = promisify(execFile);
const failed = z.object({ stdout: z.string() });
const TOKEN = 'a-secret-token';
/** A package of its own, as a user has it: its generator needs TypeScript 5. */
const PROJECT = join(import.meta.dirname, 'typed-client');
const { resolve } = createRequire(join(PROJECT, 'package.json'));
const ROOT = join(import.meta.dirname, '../..');

test('a client typed by openapi-typescript compiles and runs a task', async () => {
  await using server = await startApi({ tokens: [{ token: TOKEN }] }, { authorization: `Bearer ${TOKEN}` });
  await using folder = await project();
  const node = (...args: string[]) =>
    run(process.execPath, args, { cwd: folder.path, timeout: 50_000 }).catch((thrown: unknown) => {
      // The compiler reports on stdout.
      throw new Error(`${args[0]}: ${failed.parse(thrown).stdout}`, { cause: thrown });
    });
  await node(
    join(packageFolder('openapi-typescript'), 'bin/cli.js'),
    `${server.http.url}/openapi.json`,
    '-o',
    'openapi.ts',
  );
  await node(resolve('typescript/bin/tsc'));

  const program = node('program.js', server.http.url, TOKEN);
  const states = await server.api.stream('/events', ({ data }) => data.tasks.length > 0);
  const id: string = states.events.at(-1)?.data.tasks[0].task_id;
  const turn = await server.runner.turnOf(id);
  turn.tool('bash', 'make');
  turn.ask({ id: 'per_1', type: 'permission', permission: 'bash' });
  await server.bridge.until(id, ({ requests }) => requests.length > 0);
  await server.bridge.until(id, ({ requests }) => requests.length === 0);
  turn.complete('made');
  const { lines, unknown } = JSON.parse((await program).stdout);
  expect(lines).toEqual([
    'created',
    'started',
    'attached',
    'tool make started',
    'tool make finished',
    'request_opened per_1',
    'request_closed',
    'completed made',
  ]);
  expect(unknown).toEqual([404, 'TASK_NOT_FOUND']);
});

/** A copy of the project in a temporary folder, with its packages. */
async function project() {
  const folder = await tempDir('typed-client-');
  for (const file of ['package.json', 'tsconfig.json', 'program.ts']) {
    await cp(join(PROJECT, file), join(folder.path, file));
  }
  await mkdir(join(folder.path, 'node_modules'));
  await symlink(packageFolder('openapi-fetch'), join(folder.path, 'node_modules/openapi-fetch'));
  await symlink(join(ROOT, 'node_modules/@types'), join(folder.path, 'node_modules/@types'));
  return folder;
}

/** npm may have put it beside the project, or at the top. */
function packageFolder(name: string): string {
  return dirname(resolve(`${name}/package.json`));
}
