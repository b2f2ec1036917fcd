import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect } from 'vitest';
import { z } from 'zod';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { MODEL_IN_CONTAINER } from '../support/built-program.ts';
import { containerEnv, engine, removeContainers } from '../support/docker.ts';
import { tempDir } from '../support/temp.ts';
import { compose, fillIn } from './compose.ts';
import { Project } from './project.ts';

const USER = 1000;
const UP_LIMIT_MS = 240_000;
const READY = { timeout: 120_000, interval: 200 };
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of compose
const MODE = '${OPENCODE_SERVER_ENABLED}';
const MODEL = 'http://model:8080/v1';

export type Deployment = Awaited<ReturnType<typeof deploy>>;

/** compose.yaml as an operator has it, in a folder and a project of its own, with the scripted model as one more service. */
export async function deploy() {
  const root = await tempDir('compose-');
  const project = new Project(`letta-test-${randomBytes(4).toString('hex')}`);
  const token = randomBytes(16).toString('hex');
  const port = await freePort();
  const { dataDir, env } = await prepare(root.path, port, token, project.network);

  /** Changes the one line, and lets compose do the rest. */
  const up = async (enabled: boolean): Promise<void> => {
    await project.noteVolumes();
    const before = await readFile(env, 'utf8');
    await writeFile(env, before.replace(/^(OPENCODE_SERVER_ENABLED=).*$/m, `$1${enabled}`));
    const [program = '', ...args] = compose ?? [];
    const { PATH } = process.env;
    await promisify(execFile)(program, [...args, 'up', '-d'], {
      cwd: root.path,
      env: { PATH, HOME: root.path, DOCKER_HOST: engine.host, COMPOSE_PROJECT_NAME: project.name },
      timeout: UP_LIMIT_MS,
    });
  };

  const bridge = `http://127.0.0.1:${port}`;
  const get = async (path: string): Promise<unknown> =>
    (await fetch(`${bridge}${path}`, { signal: AbortSignal.timeout(5_000) })).json();
  /** What the bridge says of itself once it is ready. */
  const health = async (): Promise<unknown> => {
    await expect.poll(() => get('/ready').catch(String), READY).toMatchObject({ ready: true });
    return get('/health');
  };
  const clients: Client[] = [];
  const connect = async () => {
    const client = new Client({ name: 'test', version: '0' });
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${bridge}/mcp`), { requestInit }));
    clients.push(client);
    return client;
  };
  const remove = async (): Promise<void> => {
    for (const client of clients) await client.close();
    // The bridge first, that it starts nothing more.
    await project.removeContainers();
    await removeContainers(dataDir).catch(unlessNone);
    await project.removeRest();
    await root.remove();
  };
  return { project, up, health, connect, remove };
}

/** The folders, `.env`, and what is added to each mode. */
async function prepare(root: string, port: number, token: string, network: string) {
  await chmod(root, 0o755);
  const [dataDir, workspaceDir] = [join(root, 'data'), join(root, 'workspaces')];
  for (const folder of [dataDir, workspaceDir]) {
    await mkdir(folder);
    await chown(folder, USER, USER);
  }
  await fillIn(root, {
    COMPOSE_FILE: `compose.yaml:docs/deploy/server-${MODE}.yaml:test-${MODE}.yaml`,
    BASE_IMAGE: 'is-built-already',
    MCP_AUTH_TOKENS: `me=${token}`,
    OPENCODE_SERVER_PASSWORD: randomBytes(16).toString('hex'),
    DOCKER_GID: `${(await stat(engine.socket)).gid}`,
    DATA_DIR: dataDir,
    WORKSPACE_DIR: workspaceDir,
  });
  const env = join(root, '.env');
  await writeFile(env, `${await readFile(env, 'utf8')}MCP_PORT=${port}\nSHUTDOWN_GRACE_MS=500\n`);
  for (const [mode, services] of Object.entries(additions(network))) {
    // JSON is YAML; a single dollar sign would be compose's own.
    const text = JSON.stringify({ services }).replaceAll('$', '$$$$');
    await writeFile(join(root, `test-${mode}.yaml`), text);
  }
  return { dataDir, env };
}

/** What an operator does not have: the model, the way to it, and an engine whose socket is elsewhere. */
function additions(network: string): Record<'true' | 'false', object> {
  const toModel = containerEnv(MODEL);
  const model = {
    image: 'letta-opencode-plugin:local',
    entrypoint: MODEL_IN_CONTAINER.command,
    volumes: [MODEL_IN_CONTAINER.mount],
    networks: ['bridge'],
    healthcheck: { disable: true },
    init: true,
  };
  const bridge = {
    environment: { ...toModel, RUNNER_NETWORK: network, RUNNER_ENV_PASSTHROUGH: Object.keys(toModel).join() },
    volumes: [`${engine.socket}:/var/run/docker.sock`],
  };
  return {
    true: { model, 'opencode-server': { environment: toModel } },
    false: { model, 'letta-opencode-plugin': bridge },
  };
}

/** A bridge that never was in Docker mode has no id. */
function unlessNone(thrown: unknown): void {
  if (!z.looseObject({ code: z.literal('ENOENT') }).safeParse(thrown).success) throw thrown;
}
