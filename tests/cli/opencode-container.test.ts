import { chown, mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { FILE } from '../../src/cli/opencode/trial-session.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { containerEnv, engine, IMAGE } from '../support/docker.ts';
import { write } from '../support/steps.ts';
import { commandLine } from './command.ts';

vi.setConfig({ testTimeout: 300_000 });
beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

/** The owner of the workspace. */
const USER = 1_234;
const NOT_THERE = `sha256:${'0'.repeat(64)}`;

let model: ScriptedModel;
beforeAll(async () => {
  const steps = [write(FILE, 'OpenCode works.\n'), { text: 'Done.' }];
  model = await startScriptedModel({ rules: [{ when: FILE, steps }] });
});
afterAll(() => model?.close());

/** The command line with a port and a workspace of its own; what it has started is removed at the end. */
async function kit() {
  const cli = await commandLine();
  const root = join(cli.home, 'root');
  await mkdir(root);
  await chown(root, USER, USER);
  const port = await freePort();
  const { Id: id } = await engine.api.getImage(IMAGE).inspect();
  const inside = containerEnv(model.url);
  const variables = {
    ...inside,
    DOCKER_HOST: engine.host,
    RUNNER_ENV_PASSTHROUGH: Object.keys(inside).join(','),
    OPENCODE_IMAGE: id,
    OPENCODE_PORT: `${port}`,
    OPENCODE_SERVER_PASSWORD: 'secret word',
    WORKSPACE_ROOT: root,
    ANTHROPIC_API_KEY: 'a key',
  };
  const run = (command: string, options: string[] = [], more: Record<string, string> = {}) =>
    cli.run(['opencode', command, ...options], { ...variables, ...more });
  const up = (more: Record<string, string> = {}) => run('up', ['--network', 'host', '--timeout', '80'], more);
  const container = engine.api.getContainer(`letta-opencode-engine-${port}`);
  const close = async () => {
    await container.remove({ force: true, v: true }).catch((thrown) => {
      if (thrown.statusCode !== 404) throw thrown;
    });
    await cli[Symbol.asyncDispose]();
  };
  return { id, port, root, run, up, container, [Symbol.asyncDispose]: close };
}

describe('a server in a container', () => {
  it('is started once, tried out, and removed', async () => {
    await using cli = await kit();
    const first = await cli.up();
    expect(first, first.stderr + first.stdout).toMatchObject({ code: 0, stderr: '' });
    const name = `letta-opencode-engine-${cli.port}`;
    expect(first.stdout).toContain(`${name} is up\n`);
    for (const row of [`http://127.0.0.1:${cli.port}`, '1.18.33', cli.id, cli.root])
      expect(first.stdout).toMatch(new RegExp(` ${row}$`, 'm'));
    expect(first.stdout).toMatch(/ variables {2}ANTHROPIC_API_KEY, /);
    expect(first.stdout).not.toContain('a key');
    const began = (await cli.container.inspect()).Id;

    const again = await cli.up({ OPENCODE_IMAGE: IMAGE, OPENCODE_ALLOW_TAG: 'true' });
    expect(again, again.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain(`${name} is already up\n`);

    const other = await cli.up({ OPENCODE_SERVER_PASSWORD: 'another' });
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toBe(
      `${name} runs with another image or other settings.\nRemove it first: letta-opencode-plugin opencode down (npm run opencode:down).\n`,
    );
    expect((await cli.container.inspect()).Id).toBe(began);

    const health = await cli.run('health', ['--timeout', '60']);
    expect(health, health.stderr).toMatchObject({ code: 0 });
    const smoke = await cli.run('smoke', ['--timeout', '200']);
    expect(smoke, smoke.stdout).toMatchObject({ code: 0, stderr: '' });
    const soak = await cli.run('soak', ['--minutes', '0.01', '--concurrency', '1', '--timeout', '200']);
    expect(soak, soak.stdout).toMatchObject({ code: 0, stderr: '' });
    expect(soak.stdout).toMatch(new RegExp(`^memory   start \\d{3,} MB .* \\(container ${name}\\)$`, 'm'));

    expect(await cli.run('down')).toEqual({ code: 0, stdout: `${name} is removed\n`, stderr: '' });
    await expect(cli.container.inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect(await cli.run('down')).toEqual({ code: 0, stdout: `${name} is not there\n`, stderr: '' });
    expect(await cli.run('health')).toMatchObject({ code: 1 });
  });

  it('is held in like a task, and sees one folder and the keys of providers alone', async () => {
    await using cli = await kit();
    const outcome = await cli.up({ OPENCODE_SERVER_PASSWORD: '' });
    expect(outcome, outcome.stderr + outcome.stdout).toMatchObject({ code: 0 });
    expect(outcome.stderr).toBe(
      `Without OPENCODE_SERVER_PASSWORD everyone on this machine can run code through port ${cli.port}.\n`,
    );
    const { Config, HostConfig, Mounts } = await cli.container.inspect();
    expect(HostConfig).toMatchObject({
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Init: true,
      Memory: 2 * 2 ** 30,
      MemorySwap: 2 * 2 ** 30,
      NanoCpus: 2e9,
      PidsLimit: 512,
    });
    expect(Config.User).toBe(`${USER}:${USER}`);
    expect(Config.Entrypoint).toEqual(['opencode']);
    expect(Config.Cmd).toEqual(['serve', '--hostname', '127.0.0.1', '--port', `${cli.port}`]);
    expect(Mounts.map(({ Source, Destination, RW }) => [Source, Destination, RW])).toEqual([
      [cli.root, cli.root, true],
    ]);
    expect(Config.Env).toContain('ANTHROPIC_API_KEY=a key');
    expect(Config.Env.filter((entry) => /^(DOCKER_HOST|WORKSPACE_ROOT|DATA_DIR)=/.test(entry))).toEqual([]);
  });

  it('that dies is told with its last words, and removed', async () => {
    await using cli = await kit();
    const outcome = await cli.up({ RUNNER_ENV_PASSTHROUGH: 'XDG_DATA_HOME', XDG_DATA_HOME: '/proc/nowhere' });
    expect(outcome, outcome.stdout).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^\S+ ended with exit code \d+\. Its last lines:\n {2}\S/);
    await expect(cli.container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe('up', () => {
  it('refuses a tag, and says how to find its digest', async () => {
    await using cli = await kit();
    const outcome = await cli.up({ OPENCODE_IMAGE: IMAGE });
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(new RegExp(`^OPENCODE_IMAGE "${IMAGE}" has no digest`));
    expect(outcome.stderr).toContain('docker image inspect --format');
    expect(outcome.stderr).toContain('OPENCODE_ALLOW_TAG=true');
  });

  it.each([
    ['OPENCODE_IMAGE', '', 2, /^OPENCODE_IMAGE is not set\.\nSet it to name@sha256:/],
    ['OPENCODE_IMAGE', 'name@sha256:0123', 2, /^OPENCODE_IMAGE "name@sha256:0123" has no digest/],
    ['OPENCODE_IMAGE', NOT_THERE, 1, /^Docker has no image "sha256:0{64}" \(OPENCODE_IMAGE\)\.\nBuild it/],
    [
      'OPENCODE_IMAGE',
      `127.0.0.1:1/opencode@${NOT_THERE}`,
      1,
      /^Docker has no image .* and cannot pull it: .*refused\nPull it yourself.*: docker pull 127/,
    ],
    ['WORKSPACE_ROOT', '/nowhere/at/all', 2, /^WORKSPACE_ROOT "\/nowhere\/at\/all" is not a folder\./],
    ['OPENCODE_PORT', '0', 2, /OPENCODE_PORT "0"/],
    ['DOCKER_HOST', 'unix:///nowhere/docker.sock', 1, /^Docker at unix:\/\/\/nowhere\S+ does not answer/],
  ])('with %s=%s ends with exit code %i and says why', async (name, value, code, says) => {
    await using cli = await kit();
    const outcome = await cli.up({ [name]: value });
    expect(outcome).toMatchObject({ code });
    expect(outcome.stderr).toMatch(says);
    await expect(cli.container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  it('does not take the server of somebody else for its own', async () => {
    await using cli = await kit();
    const other = createServer((_, response) => response.end('{"healthy":true,"version":"0"}'));
    await new Promise<void>((resolve) => other.listen(cli.port, '127.0.0.1', resolve));
    try {
      const outcome = await cli.up();
      expect(outcome).toMatchObject({ code: 1, stdout: '' });
      expect(outcome.stderr).toMatch(new RegExp(`^OPENCODE_PORT "${cli.port}" is in use`));
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });
});
