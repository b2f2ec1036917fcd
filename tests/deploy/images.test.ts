import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { sharedOpenCode } from '../support/shared-engine.ts';
import { readStages, readTop, stageOf } from './dockerfile.ts';

const bridge = stageOf('Dockerfile', 'final');
const server = stageOf('Dockerfile.opencode', 'server');
const runner = stageOf('Dockerfile.opencode', 'runner');
const FILES = ['Dockerfile', 'Dockerfile.opencode'];

interface Ended {
  code: number | string | null;
  output: string;
}

/** Runs a program with this environment and PATH alone. */
function run([program = '', ...args]: string[], env: Record<string, string>): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH ?? '', ...env } };
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? null) : 0, output: `${stdout}${stderr}`.trim() }),
    );
  });
}

it('OpenCode is the version of package.json', () => {
  const { dependencies } = z
    .object({ dependencies: z.object({ 'opencode-ai': z.string() }) })
    .parse(JSON.parse(readTop('package.json')));
  const head = readStages('Dockerfile.opencode').get('head');
  expect(head?.all('ARG')).toEqual([
    'BASE_IMAGE',
    `OPENCODE_VERSION=${dependencies['opencode-ai']}`,
    'CLI=cli',
  ]);
  const cli = stageOf('Dockerfile.opencode', 'cli');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own variable
  expect(cli.last('RUN')).toContain('opencode-ai@${OPENCODE_VERSION} ');
});

it.each(FILES)('%s is built from BASE_IMAGE alone, which has no default that could move', (file) => {
  const stages = readStages(file);
  const names = [...stages.keys()];
  const [head, ...built] = [...stages.values()];
  expect(head?.all('ARG')[0]).toBe('BASE_IMAGE');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own variables
  for (const { from } of built) expect(['${BASE_IMAGE}', '${CLI}', ...names]).toContain(from);
  expect(readTop(file)).not.toMatch(/:latest/);
});

it.each([
  ['bridge', bridge],
  ['server', server],
  ['runner', runner],
])('the %s does not run as root, and has git, ripgrep and certificates', (_name, stage) => {
  expect(stage.last('USER')).toBe('1000:1000');
  expect(stage.env().HOME).toBe('/home/node');
  for (const name of ['ca-certificates', 'git', 'ripgrep']) {
    expect(stage.all('RUN').join('\n')).toMatch(new RegExp(`apt-get install .* ${name} `));
  }
});

it('the bridge has the program and its page as they were built, not what builds them', () => {
  expect(stageOf('Dockerfile', 'build').last('RUN')).toBe('node build/index.ts');
  expect(bridge.all('COPY')).toEqual([
    '--from=dependencies /app/node_modules node_modules',
    'package.json LICENSE ./',
    '--from=build /app/dist dist',
  ]);
});

it('the bridge has no development dependencies, serves on 3500 and keeps its state in volumes', () => {
  const dependencies = stageOf('Dockerfile', 'dependencies');
  expect(dependencies.last('RUN')).toContain('npm ci --omit=dev ');
  expect(bridge.env()).toMatchObject({
    MCP_HOST: '0.0.0.0',
    MCP_PORT: '3500',
    DATA_DIR: '/data',
    WORKSPACE_DIR: '/workspace',
  });
  expect(bridge.words('VOLUME')).toEqual(['/data', '/workspace']);
  expect([bridge.last('EXPOSE'), bridge.last('STOPSIGNAL')]).toEqual(['3500', 'SIGTERM']);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own variable
  expect(bridge.last('LABEL')).toContain('org.opencontainers.image.version="${VERSION}"');
});

it('what the images are started with is in them', () => {
  for (const stage of [bridge, server])
    expect(stage.all('RUN').join('\n')).toMatch(/apt-get install .*tini /);
  expect(bridge.words('ENTRYPOINT')).toEqual(['tini', '--', 'node', 'dist/index.js']);
  expect(bridge.words('CMD')).toEqual(['serve']);
  expect(server.words('CMD')).toEqual(['opencode', 'serve', '--hostname', '0.0.0.0', '--port', '3100']);
  expect(runner.words('ENTRYPOINT')).toEqual([]);
});

it('.dockerignore lets in what is copied, and nothing else', () => {
  const copied = FILES.flatMap((file) => [...readStages(file).values()])
    .flatMap((stage) => stage.all('COPY'))
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(' ').slice(0, -1));
  const [first, ...rest] = readTop('.dockerignore').trim().split('\n');
  expect(first).toBe('*');
  expect(rest.sort()).toEqual([...new Set(copied)].map((path) => `!${path}`).sort());
  for (const path of copied) expect(existsSync(join(import.meta.dirname, '../..', path))).toBe(true);
});

/** Nobody is there: what is asked through it fails. */
const PROXY = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:9' };

it("the bridge's health check tells a bridge that answers from one that does not", async () => {
  const asked: string[] = [];
  let status = 200;
  const http = createServer(({ url = '' }, response) => {
    asked.push(url);
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.number() }).parse(http.address());
  const check = () => run(bridge.words('HEALTHCHECK'), { MCP_PORT: `${port}`, ...PROXY });
  try {
    expect(await check()).toEqual({ code: 0, output: '' });
    status = 500;
    expect(await check()).toEqual({ code: 1, output: '' });
  } finally {
    await new Promise((resolve) => http.close(resolve));
  }
  expect(await check()).toEqual({ code: 1, output: '' });
  expect(asked).toEqual(['/health', '/health']);
});

it("the server's health check is let in by its password", async () => {
  const { engine } = await sharedOpenCode();
  const words = server
    .words('HEALTHCHECK')
    .map((word) => word.replace('http://127.0.0.1:3100/', `${engine.url}/`));
  const check = (password: string) => run(words, { OPENCODE_SERVER_PASSWORD: password, ...PROXY });
  expect(await check(engine.password)).toEqual({ code: 0, output: '' });
  expect(await check('wrong')).toEqual({ code: 1, output: '' });
});

it('the server starts with a password only', async () => {
  const [tini, dashes, ...entrypoint] = server.words('ENTRYPOINT');
  expect([tini, dashes]).toEqual(['tini', '--']);
  const start = (env: Record<string, string>) => run([...entrypoint, 'echo', 'a  "b" $c'], env);
  expect(await start({ OPENCODE_SERVER_PASSWORD: 'x' })).toEqual({ code: 0, output: 'a  "b" $c' });
  const refused = { code: 2, output: expect.stringContaining('OPENCODE_SERVER_PASSWORD: must be set') };
  expect(await start({})).toEqual(refused);
  expect(await start({ OPENCODE_SERVER_PASSWORD: '' })).toEqual(refused);
});
