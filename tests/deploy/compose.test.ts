import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { VARIABLES } from '../../src/config/variables.ts';
import { readTop, stageOf } from './dockerfile.ts';

const compose = readTop('compose.yaml');
const MODES = {
  true: readTop('docs/deploy/server-true.yaml'),
  false: readTop('docs/deploy/server-false.yaml'),
};
const bridge = serviceOf(compose, 'letta-opencode-plugin');
const server = serviceOf(compose, 'opencode-server');

/** Of compose itself and of the host; and keys of model providers, which OpenCode reads. */
const NOT_OF_THE_BRIDGE = ['BASE_IMAGE', 'DOCKER_GID', 'COMPOSE_PROFILES', 'COMPOSE_FILE'];
const PROVIDER_KEY = /^[A-Z]+_API_KEY$/;

/** The lines of a service, without comments. */
function serviceOf(text: string, name: string): string[] {
  const lines = text.split('\n').filter((line) => line.trim() && !line.trim().startsWith('#'));
  const start = lines.indexOf(`  ${name}:`) + 1;
  const end = lines.findIndex((line, index) => index >= start && !line.startsWith('    '));
  if (start === 0) throw new Error(`no service ${name}`);
  return lines.slice(start, end === -1 ? undefined : end);
}

/** The lines below a key of a service, without their indentation. */
function below(service: string[], key: string): string[] {
  const start = service.indexOf(`    ${key}:`) + 1;
  const end = service.findIndex((line, index) => index >= start && !line.startsWith('      '));
  return start === 0 ? [] : service.slice(start, end === -1 ? undefined : end).map((line) => line.trim());
}

/** compose.env with its own variables put in, as compose does. */
function dotenv(enabled: 'true' | 'false'): Map<string, string> {
  const text = readTop('docs/deploy/compose.env').replace(/^(OPENCODE_SERVER_ENABLED=).*$/m, `$1${enabled}`);
  const values = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^(?:# )?([A-Z_]+)=(.*)$/gm)) {
    values.set(
      name,
      value.replace(/\$\{(\w+)\}/g, (_all, other: string) => values.get(other) ?? ''),
    );
  }
  return values;
}

it('every variable is one that the bridge has, but for those of compose and of model providers', () => {
  const used = [compose, ...Object.values(MODES)].flatMap((text) => [
    ...[...text.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name),
    ...[...text.matchAll(/^ {6}([A-Z_]+):/gm)].map(([, name = '']) => name),
  ]);
  const names = new Set([...used, ...dotenv('true').keys()]);
  expect(names.size).toBeGreaterThan(12);
  expect([...names].filter((name) => !(name in VARIABLES) && !PROVIDER_KEY.test(name)).sort()).toEqual(
    [...NOT_OF_THE_BRIDGE].sort(),
  );
});

it.each(['true', 'false'] as const)(
  'OPENCODE_SERVER_ENABLED=%s alone chooses files and profile',
  (enabled) => {
    const env = dotenv(enabled);
    const files = env.get('COMPOSE_FILE')?.split(':') ?? [];
    expect(files).toEqual(['compose.yaml', `docs/deploy/server-${enabled}.yaml`]);
    for (const file of files) expect(existsSync(join(import.meta.dirname, '../..', file))).toBe(true);
    const serverStarts = server.includes(`    profiles: [${env.get('COMPOSE_PROFILES')}]`);
    expect(serverStarts).toBe(enabled === 'true');
  },
);

it('the bridge waits for a healthy server, where there is one', () => {
  expect(below(serviceOf(MODES.true, 'letta-opencode-plugin'), 'depends_on')).toEqual([
    'opencode-server:',
    'condition: service_healthy',
  ]);
  expect(compose + MODES.false).not.toContain('depends_on');
});

it('secrets that are needed are asked for by name', () => {
  expect(below(bridge, 'environment')).toContainEqual(
    expect.stringMatching(/^MCP_AUTH_TOKENS: \$\{MCP_AUTH_TOKENS:\?.+\}$/),
  );
  const password = /^OPENCODE_SERVER_PASSWORD: \$\{OPENCODE_SERVER_PASSWORD:\?.+\}$/;
  expect(below(serviceOf(MODES.true, 'opencode-server'), 'environment')).toEqual([
    expect.stringMatching(password),
  ]);
  const inOpenCode = below(server, 'environment').join('\n');
  expect(inOpenCode).not.toContain('MCP_AUTH_TOKENS');
  expect(server.join('\n')).not.toContain('env_file');
});

it('the bridge alone is published, on loopback', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of compose
  expect(below(bridge, 'ports')).toEqual(['- 127.0.0.1:${MCP_PORT:-3500}:3500']);
  expect(server.join('\n')).not.toMatch(/\bports:|network_mode/);
  const port = stageOf('Dockerfile.opencode', 'server').last('EXPOSE');
  expect(below(bridge, 'environment')).toContainEqual(
    expect.stringContaining(`http://opencode-server:${port}}`),
  );
});

it('the folders of tasks have one path, on the host and in every container', () => {
  for (const name of ['DATA_DIR', 'WORKSPACE_DIR']) {
    const mount = below(bridge, 'volumes').find((line) => line.includes(name));
    const [, path = ''] = /^- (.+\}):\1$/.exec(mount ?? '') ?? [];
    expect(mount).toBe(`- ${path}:${path}`);
    expect(below(bridge, 'environment')).toContain(`${name}: ${path}`);
    expect(path).toBe(`\${${name}:-${dotenv('true').get(name)}}`);
    expect(below(server, 'volumes').includes(`- ${path}:${path}`)).toBe(name === 'WORKSPACE_DIR');
  }
});

it.each([
  ['bridge', bridge],
  ['server', server],
])('the %s is bounded, restarts, and may do no more than it needs', (_name, service) => {
  for (const key of ['mem_limit', 'cpus', 'pids_limit', 'healthcheck', 'networks']) {
    expect(service).toContainEqual(expect.stringMatching(new RegExp(`^ {4}${key}: \\S`)));
  }
  expect(service).toEqual(
    expect.arrayContaining([
      '    restart: unless-stopped',
      '    read_only: true',
      '    cap_drop: [ALL]',
      '    security_opt: ["no-new-privileges:true"]',
    ]),
  );
});

it('who has the socket of Docker is root on the host: in server mode nobody has it', () => {
  expect(MODES.false).toContain('- /var/run/docker.sock:/var/run/docker.sock');
  expect(compose + MODES.true).not.toContain('docker.sock');
});

it('the plugin is mounted read-only where its image expects it, and reaches the bridge by the name that it answers to', () => {
  const plugin = serviceOf(readTop('docs/deploy/plugin.yaml'), 'opencode-server');
  const [source = '', target = '', mode] = below(plugin, 'volumes')[0]?.replace('- ', '').split(':') ?? [];
  expect(readdirSync(join(import.meta.dirname, '../..', source))).toEqual(['matrix-notifications.js']);
  expect(readTop('Dockerfile.opencode')).toContain(`mkdir -p /workspace ${target} `);
  expect(mode).toBe('ro');
  const [, host = '', port = ''] =
    /^MATRIX_API_URL: http:\/\/(.+):(\d+)\/matrix$/m.exec(below(plugin, 'environment').join('\n')) ?? [];
  expect(below(bridge, 'environment')).toEqual(
    expect.arrayContaining([`MCP_PORT: ${port}`, `MCP_ALLOWED_HOSTS: \${MCP_ALLOWED_HOSTS:-${host}}`]),
  );
});

it('nothing is newer than docker-compose 1.29, and no image moves', () => {
  for (const text of [compose, ...Object.values(MODES), readTop('docs/deploy/plugin.yaml')]) {
    expect(text).not.toMatch(/^\s*(name|develop|include|required|configs|secrets|version):/m);
    expect(text).not.toMatch(/:latest/);
  }
  expect([...compose.matchAll(/^ {4}image: (\S+)$/gm)].map(([, image]) => image)).toEqual([
    'letta-opencode-plugin:local',
    'opencode-server:local',
  ]);
});
