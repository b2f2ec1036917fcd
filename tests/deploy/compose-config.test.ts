import { spawnSync } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { tempDir } from '../support/temp.ts';
import { compose, fillIn } from './compose.ts';

const FILLED = { BASE_IMAGE: 'base@sha256:0', MCP_AUTH_TOKENS: 'one=secret' };
const SERVER_MODE = { ...FILLED, OPENCODE_SERVER_ENABLED: 'true', OPENCODE_SERVER_PASSWORD: 'secret' };
const DOCKER_MODE = { ...FILLED, OPENCODE_SERVER_ENABLED: 'false', DOCKER_GID: '999' };

beforeEach(({ skip }) => skip(compose === undefined, 'there is no docker compose and no docker-compose'));

/** Runs `config`, with these values filled into a copy of compose.env, and with what is added below them. */
async function config(
  values: Record<string, string>,
  added = '',
): Promise<{ status: number | null; output: string }> {
  await using folder = await tempDir('compose-');
  await fillIn(folder.path, values);
  await appendFile(join(folder.path, '.env'), added);
  return run(folder.path);
}

function run(cwd: string): { status: number | null; output: string } {
  const [program = '', ...args] = compose ?? [];
  const { status, stdout, stderr } = spawnSync(program, [...args, 'config'], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd },
    encoding: 'utf8',
  });
  return { status, output: `${stdout}${stderr}` };
}

it('compose takes what is there for server mode', async () => {
  const { status, output } = await config(SERVER_MODE);
  expect({ status, output }).toMatchObject({ status: 0 });
  expect(output).toContain('condition: service_healthy');
  expect(output).toContain('OPENCODE_SERVER_ENABLED: "true"');
  expect(output).toContain('OPENCODE_SERVER_PASSWORD: secret');
});

it('compose takes what is there for Docker mode, without a password of the server', async () => {
  const { status, output } = await config(DOCKER_MODE);
  expect({ status, output }).toMatchObject({ status: 0 });
  expect(output).toContain('/var/run/docker.sock');
  expect(output).toContain('OPENCODE_SERVER_ENABLED: "false"');
  expect(output).not.toContain('depends_on');
});

it('compose reads a .env as Windows writes it, and a value as the bridge would', async () => {
  await using folder = await tempDir('compose-');
  await fillIn(folder.path, SERVER_MODE);
  const path = join(folder.path, '.env');
  const rest = (await readFile(path, 'utf8')).replace(
    /^MCP_AUTH_TOKENS=.*$/m,
    'export MCP_HOST="0.0.0.0" # all',
  );
  await writeFile(path, `\uFEFFMCP_AUTH_TOKENS='one=se#cret'\n${rest}`.replaceAll('\n', '\r\n'));
  const { status, output } = run(folder.path);
  expect({ status, output }).toMatchObject({ status: 0 });
  expect(output).toContain('MCP_AUTH_TOKENS: one=se#cret');
  expect(output).toContain('MCP_HOST: 0.0.0.0');
  expect(output).toContain('OPENCODE_SERVER_PASSWORD: secret');
});

it('compose takes the plugin beside that, and asks for its token', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of compose
  const mode = '${OPENCODE_SERVER_ENABLED}';
  const COMPOSE_FILE = `compose.yaml:docs/deploy/server-${mode}.yaml:docs/deploy/plugin.yaml`;
  const { status, output } = await config({ ...SERVER_MODE, COMPOSE_FILE }, 'MATRIX_API_TOKEN=of-the-plugin');
  expect({ status, output }).toMatchObject({ status: 0 });
  expect(output).toContain('MATRIX_API_TOKEN: of-the-plugin');
  expect(output).toContain('/home/node/.config/opencode/plugins');
  const without = await config({ ...SERVER_MODE, COMPOSE_FILE });
  expect(without.status).toBeGreaterThan(0);
  expect(without.output).toContain('Set MATRIX_API_TOKEN in .env');
});

it.each([
  ['BASE_IMAGE', SERVER_MODE],
  ['MCP_AUTH_TOKENS', SERVER_MODE],
  ['OPENCODE_SERVER_PASSWORD', SERVER_MODE],
  ['DOCKER_GID', DOCKER_MODE],
])('compose refuses to start without %s and says where to set it', async (name, values) => {
  const { status, output } = await config({ ...values, [name]: '' });
  expect(status).toBeGreaterThan(0);
  expect(output).toContain(`Set ${name} in .env`);
});
