import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { PROGRAM } from '../support/built-program.ts';
import { containerEnv, engine, removeContainers, SCRIPTED_IMAGE } from '../support/docker.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { readStore } from './parts.ts';
import { startProgram } from './program.ts';

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

const TOKEN = 'SECRET-mcp';
/** What a hostile task of a container can look at: every environment, its mounts, its folder. */
const LOOK = `{ env; cat .env; cat /proc/[0-9]*/environ; grep -rhs SECRE[T]- /opencode /home /tmp .; } 2>&1 |
tr '\\0' '\\n' | grep -a 'SECRE[T]-\\|^GIT_\\|^WEBHOO[K]' > found; wc -l < found; cat found; echo "env: [$(cat .env)]"; git rev-parse --git-dir`;

/** A bridge in Docker mode that reads \`.env\` in a folder in which tasks may work, and has all secrets there are. */
async function bridge() {
  const root = await tempDir('docker-secrets-');
  await chmod(root.path, 0o755);
  const project = join(root.path, 'project');
  await mkdir(join(project, '.git'), { recursive: true });
  const model = await startScriptedModel();
  const env = containerEnv(model.url);
  await writeFile(join(project, '.env'), `MCP_AUTH_TOKENS=${TOKEN}\n`);
  for (const path of [project, join(project, '.env')]) await chown(path, 1234, 1234);
  const variables = {
    ...env,
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    ALLOWED_DIRECTORIES: root.path,
    OPENCODE_SERVER_ENABLED: 'false',
    DOCKER_HOST: engine.host,
    RUNNER_IMAGE: SCRIPTED_IMAGE,
    RUNNER_NETWORK: 'host',
    RUNNER_ENV_PASSTHROUGH: Object.keys(env).join(),
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '200',
    OPENCODE_SERVER_PASSWORD: 'SECRET-password',
    LETTA_API_TOKEN: 'SECRET-letta',
    MATRIX_ACCESS_TOKEN: 'SECRET-matrix',
    MATRIX_API_TOKEN: 'SECRET-plugin',
    WEBHOOK_SECRET: Buffer.alloc(24, 1).toString('base64'),
    WEBHOOK_URL: 'http://127.0.0.1:1/SECRET-path',
    SOMETHING_ELSE: 'SECRET-else',
    GIT_DIR: '/SECRET-git-dir',
    GIT_INDEX_FILE: '/SECRET-git-index',
  };
  const args = { entry: `--env-file=${join(project, '.env')}`, args: ['serve'] };
  const program = startProgram(PROGRAM, variables, args);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  const requestInit = { headers: { authorization: `Bearer ${TOKEN}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  const run = async (directory: string, command: string): Promise<string> => {
    const task_description = scriptText([bash(command), { text: 'Done.' }]);
    const order = { agent_id: 'me', task_description, directory, sync: true };
    const { structuredContent } = await client.callTool({ name: 'opencode_execute_task', arguments: order });
    return z.looseObject({ task_id: z.string() }).parse(structuredContent).task_id;
  };
  const end = async (): Promise<void> => {
    program.child.kill('SIGTERM');
    await program.exit;
  };
  const read = (taskId: string) => readStore(join(root.path, 'data'), taskId);
  const close = async () => {
    program.child.kill('SIGKILL');
    await program.exit;
    await removeContainers(join(root.path, 'data'));
    await model.close();
    await root.remove();
  };
  return { root: root.path, project, run, end, read, [Symbol.asyncDispose]: close };
}

it('a hostile task finds no secret of the bridge, nor what redirects git; a folder with DATA_DIR is none for a task', async () => {
  await using set = await bridge();
  const looked = await set.run(set.project, LOOK);
  const all = await set.run(set.root, 'ls');
  await set.end();
  const { task, events } = set.read(looked);
  expect(task.status, JSON.stringify(events, undefined, 1)).toBe('completed');
  const output = events.flatMap((event) => (event.kind === 'tool' ? [event.output] : [])).join('');
  expect(output).toMatch(/^0\nenv: \[\]\n/);
  expect(output).not.toContain('SECRET-');
  expect(set.read(all).task).toMatchObject({
    status: 'failed',
    error: { code: 'INVALID_INPUT', message: expect.stringContaining('holds DATA_DIR') },
  });
});
