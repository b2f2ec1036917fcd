import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { ContainerCreateOptions } from 'dockerode';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { engine } from '../support/docker.ts';
import { tempDir } from '../support/temp.ts';
import { IMAGES, inspect, notBuilt } from './built.ts';
import { readTop, stageOf } from './dockerfile.ts';

beforeEach((context) => context.skip(notBuilt !== undefined, notBuilt));

const { version, dependencies } = z
  .object({
    version: z.string(),
    dependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readTop('package.json')));
const OPENCODE = dependencies['opencode-ai'];
const STAGES = {
  bridge: stageOf('Dockerfile', 'final'),
  server: stageOf('Dockerfile.opencode', 'server'),
  runner: stageOf('Dockerfile.opencode', 'runner'),
};
const NAMES = ['bridge', 'server', 'runner'] as const;

/** As compose.yaml runs both services. */
const HARDENED = {
  NetworkMode: 'none',
  ReadonlyRootfs: true,
  Tmpfs: { '/tmp': 'exec,mode=1777' },
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
};

/** A container of the image that is removed with its volumes in the end. */
async function create(image: string, options: ContainerCreateOptions) {
  const container = await engine.api.createContainer({ Image: image, HostConfig: HARDENED, ...options });
  const remove = () => container.remove({ force: true, v: true });
  return { container, [Symbol.asyncDispose]: remove };
}

/** What a program in the image says, and its exit code. */
async function run(image: string, options: ContainerCreateOptions) {
  await using made = await create(image, options);
  const { container } = made;
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  const output = new PassThrough();
  container.modem.demuxStream(stream, output, output);
  stream.once('end', () => output.end());
  const said = text(output);
  await container.start();
  const { StatusCode } = z.object({ StatusCode: z.number() }).parse(await container.wait());
  return { code: StatusCode, output: await said };
}

const sh = (image: string, script: string) => run(image, { Entrypoint: ['sh', '-c', script], Cmd: [] });

describe.each(NAMES)('the image of the %s', (name) => {
  it('says what its Dockerfile says', async () => {
    const { Config, Size } = await inspect(IMAGES[name]);
    const stage = STAGES[name];
    process.stderr.write(`${IMAGES[name]}: ${Math.round(Size / 1e6)} MB, with the tests' base\n`);
    expect(Config).toMatchObject({
      User: '1000:1000',
      Labels: {
        'org.opencontainers.image.licenses': 'MIT',
        'org.opencontainers.image.title': name === 'bridge' ? 'letta-opencode-plugin' : `opencode-${name}`,
        'org.opencontainers.image.version': name === 'bridge' ? version : OPENCODE,
      },
      Cmd: stage.words('CMD'),
    });
    expect(Config.Entrypoint ?? []).toEqual(stage.words('ENTRYPOINT'));
    const check = stage.last('HEALTHCHECK') ? ['CMD', ...stage.words('HEALTHCHECK')] : undefined;
    expect(Config.Healthcheck?.Test).toEqual(check);
  });

  it('has the pinned OpenCode, git, ripgrep and certificates, for a user who is not root', async () => {
    const opencode = name === 'bridge' ? 'node_modules/.bin/opencode' : 'opencode';
    const script = `id -u; ${opencode} --version; git --version; rg --version; wc -c < /etc/ssl/certs/ca-certificates.crt`;
    const { code, output } = await sh(IMAGES[name], `set -e; export HOME=/tmp; ${script}`);
    expect({ code, output }).toMatchObject({ code: 0 });
    const [user, opencodeVersion, git, ripgrep] = output.split('\n');
    expect([user, opencodeVersion]).toEqual(['1000', OPENCODE]);
    expect([git, ripgrep]).toEqual([
      expect.stringMatching(/^git version/),
      expect.stringMatching(/^ripgrep/),
    ]);
    expect(Number(output.trim().split('\n').at(-1))).toBeGreaterThan(10_000);
  });

  it('writes into a new volume at its home and its workspace', async () => {
    const work = name === 'bridge' ? '/workspace /data' : '/workspace';
    const { code, output } = await run(IMAGES[name], {
      Entrypoint: ['sh', '-ec', `for folder in ~ ${work}; do touch $folder/here; echo $folder; done`],
      Cmd: [],
      Volumes: { '/home/node': {}, '/workspace': {} },
    });
    expect({ code, output: output.trim().split('\n') }).toEqual({
      code: 0,
      output: ['/home/node', ...work.split(' ')],
    });
  });
});

/** Tells which program this is, wherever it runs. */
const DIGEST = `const hash = crypto.createHash('sha256');
for (const path of fs.readdirSync('dist', { recursive: true }).sort())
  if (fs.statSync('dist/' + path).isFile()) hash.update(path).update(fs.readFileSync('dist/' + path));
process.stdout.write(hash.digest('hex'));`;

it('the bridge has the program as it is built here; if not: tests/support/docker-images', async () => {
  await using folder = await tempDir('image-');
  const node = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: folder.path });
  await node(join(import.meta.dirname, '../../build/index.ts'), join(folder.path, 'dist'));
  const { stdout } = await node('-e', DIGEST);
  expect(await run(IMAGES.bridge, { Entrypoint: ['node', '-e', DIGEST], Cmd: [] })).toEqual({
    code: 0,
    output: stdout,
  });
});

it('the bridge has the packages that it needs, and none for development', async () => {
  const { output } = await sh(IMAGES.bridge, 'cd node_modules && find . -maxdepth 2 -type d');
  const installed = output.split('\n').map((path) => path.replace('./', 'node_modules/'));
  const { packages } = z
    .object({ packages: z.record(z.string(), z.object({ dev: z.boolean().default(false) })) })
    .parse(JSON.parse(readTop('package-lock.json')));
  expect(installed).toEqual(
    expect.arrayContaining(Object.keys(dependencies).map((name) => `node_modules/${name}`)),
  );
  const development = Object.keys(packages).filter((path) => packages[path]?.dev);
  expect(development).toContain('node_modules/vitest');
  expect(development.filter((path) => installed.includes(path))).toEqual([]);
});

it('the bridge has its page as it was built', async () => {
  const script = `import { readFileSync, existsSync } from 'node:fs';
const { entry } = JSON.parse(readFileSync('dist/web/manifest.json', 'utf8'));
process.stdout.write(String(existsSync('dist/web/' + entry.script)));`;
  const Entrypoint = ['node', '--input-type=module', '-e', script];
  expect(await run(IMAGES.bridge, { Entrypoint, Cmd: [] })).toEqual({ code: 0, output: 'true' });
});

it('the bridge does a whole task on a read-only root without capabilities: demo', async () => {
  const { code, output } = await run(IMAGES.bridge, { Cmd: ['demo'] });
  expect({ code, output }).toMatchObject({ code: 0 });
});

it.each([
  ['bridge', ['OPENCODE_SERVER_ENABLED=true', 'MCP_AUTH_TOKENS=secret', 'HOME=/tmp']],
  ['server', ['OPENCODE_SERVER_PASSWORD=secret']],
] as const)('the engine finds the %s healthy by its health check', async (name, env) => {
  const { Config } = await inspect(IMAGES[name]);
  await using made = await create(IMAGES[name], {
    Env: [...env],
    Healthcheck: { ...Config.Healthcheck, Interval: 1e9 },
    HostConfig: HARDENED,
    Volumes: { '/home/node': {} },
  });
  await made.container.start();
  const health = async () => (await made.container.inspect()).State.Health;
  await vi.waitFor(async () => expect(await health()).toMatchObject({ Status: 'healthy' }), {
    timeout: 120_000,
    interval: 250,
  });
});
