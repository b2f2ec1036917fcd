import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { engine, IMAGE } from '../support/docker.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import { startLetta } from '../support/letta.ts';
import { type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import type { Person } from '../support/person.ts';
import { noSandbox } from '../support/sandbox.ts';
import { SECRET, startReceiver } from '../support/webhook-receiver.ts';
import { commandLine, rowsOf } from './command.ts';

const SERVER_MODE = { OPENCODE_SERVER_ENABLED: 'true' };
const NO_LISTENER = 'http://127.0.0.1:1';

describe('with an embedded server', () => {
  it('finds everything it needs, and leaves nothing behind', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', SERVER_MODE);
    expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0);
    const { 'vm.max_map_count': mappings, ...rows } = rowsOf(outcome);
    const limit = Number(await readFile('/proc/sys/vm/max_map_count', 'utf8').catch(() => Infinity));
    expect(mappings?.startsWith(`warn ${limit}: `) ?? false).toBe(limit < 262_144);
    expect(rows).toEqual({
      Node: `ok ${process.versions.node}`,
      configuration: 'ok OpenCode server mode, embedded',
      git: expect.stringMatching(/^ok \d+\.\d+/),
      WORKSPACE_DIR: `ok ${cli.workspaceDir} is writable`,
      DATA_DIR: `ok ${cli.dataDir} is writable and free`,
      ripgrep: expect.stringMatching(/^(ok \d|warn rg not found)/),
      opencode: expect.stringMatching(/^ok 1\.18\.33 \(.*opencode/),
      'commands of tasks':
        noSandbox === undefined
          ? expect.stringMatching(/^ok commands in a sandbox \(bubblewrap\)/)
          : `warn commands without a sandbox (${noSandbox})`,
      'embedded server': expect.stringMatching(/^ok healthy after \d+\.\d s$/),
    });
    expect(outcome.stderr).toBe('');
    expect(await readdir(cli.workspaceDir)).toEqual([]);
    expect(await readdir(cli.dataDir)).toEqual(['workspaces']);
  });

  it('lists the credentials that commands of tasks do not see', async (context) => {
    context.skip(noSandbox !== undefined, noSandbox);
    await using cli = await commandLine();
    await mkdir(join(cli.home, '.ssh'));
    await writeFile(join(cli.home, '.npmrc'), '_authToken=secret');
    const variables = { ...SERVER_MODE, OPENCODE_BIN: '/nowhere/opencode' };
    const rows = rowsOf(await cli.run('doctor', variables));
    const hidden = `${join(cli.home, '.ssh')}, ${join(cli.home, '.npmrc')}`;
    expect(rows['commands of tasks']).toContain(
      `(bubblewrap); hidden from them unless SHELL_SANDBOX_READABLE names it: ${hidden}`,
    );
    const shown = await cli.run('doctor', { ...variables, SHELL_SANDBOX_READABLE: join(cli.home, '.npmrc') });
    expect(rowsOf(shown)['commands of tasks']).toContain(join(cli.home, '.ssh'));
    expect(rowsOf(shown)['commands of tasks']).not.toContain(join(cli.home, '.npmrc'));
  });

  it('says that OPENCODE_BIN is not there', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', { ...SERVER_MODE, OPENCODE_BIN: '/nowhere/opencode' });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome).opencode).toBe('fail OPENCODE_BIN "/nowhere/opencode" is not an executable file.');
    expect(outcome.stdout).toContain('What to do');
    expect(outcome.stdout).toMatch(/ opencode: Set OPENCODE_BIN/);
  });

  it('says at once that OPENCODE_BIN is another version that does not serve', async () => {
    await using cli = await commandLine();
    const bin = join(cli.home, 'opencode');
    await writeFile(
      bin,
      '#!/bin/sh\n[ "$1" = --version ] && echo 0.9.1 && exit\necho "no such command" >&2\nexit 3\n',
    );
    await chmod(bin, 0o755);
    const outcome = await cli.run('doctor', { ...SERVER_MODE, OPENCODE_BIN: bin });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome).opencode).toBe(`warn 0.9.1 (${bin}), tested is 1.18.33`);
    expect(rowsOf(outcome)['embedded server']).toBe('fail opencode serve: exit code 3 no such command');
  });

  it('says whether Letta answers and takes the token', async () => {
    await using cli = await commandLine();
    await using letta = await startLetta('s3cret');
    const variables = {
      ...SERVER_MODE,
      OPENCODE_BIN: '/nowhere/opencode',
      LETTA_API_URL: `${letta.url}/v1/`,
    };
    const right = await cli.run('doctor', { ...variables, LETTA_API_TOKEN: 's3cret' });
    expect(rowsOf(right).Letta).toBe(`ok ${letta.url} answers`);
    const wrong = await cli.run('doctor', { ...variables, LETTA_API_TOKEN: 'wrong' });
    expect(rowsOf(wrong).Letta).toBe('warn Letta: list blocks: HTTP 401 (LETTA_API_TOKEN)');
    expect(wrong.stdout).toMatch(/ Letta: Correct LETTA_API_URL or LETTA_API_TOKEN/);
  });

  it('says whether the receiver of webhooks answers, and never its path or secret', async () => {
    await using cli = await commandLine();
    await using receiver = await startReceiver();
    const variables = { ...SERVER_MODE, OPENCODE_BIN: '/nowhere/opencode', WEBHOOK_SECRET: SECRET };
    const right = await cli.run('doctor', { ...variables, WEBHOOK_URL: receiver.url });
    expect(rowsOf(right).webhook).toBe(`ok ${receiver.host} answers`);
    expect(receiver.requests).toEqual([expect.stringMatching(/^HEAD /)]);
    await receiver.stop();
    const wrong = await cli.run('doctor', { ...variables, WEBHOOK_URL: receiver.url });
    expect(rowsOf(wrong).webhook).toBe(`warn ${receiver.host}: ECONNREFUSED`);
    const refused = await cli.run('doctor', {
      ...variables,
      WEBHOOK_URL: receiver.url,
      WEBHOOK_SECRET: 'c2hvcnQ=',
    });
    expect(rowsOf(refused).configuration).toMatch(/^fail WEBHOOK_SECRET \(not shown\): secret 1 has 5 bytes/);
    for (const { stdout, stderr } of [right, wrong, refused])
      expect(stdout + stderr).not.toMatch(/s3cret-path|c2hvcnQ|BwcHBwc/);
  });

  describe('with Matrix', () => {
    const inMatrix = async (prepare: (human: Person, bot: Person) => Promise<string | undefined>) => {
      await using cli = await commandLine();
      await using homeserver = await startFakeHomeserver();
      const [human, bot] = [await homeserver.user('ann'), await homeserver.user('bridge')];
      const roomId = await prepare(human, bot);
      const events = async () =>
        roomId === undefined ? [] : (await human.events(roomId)).map(({ event_id }) => event_id);
      const before = await events();
      const from = homeserver.requests.length;
      const outcome = await cli.run('doctor', {
        ...SERVER_MODE,
        OPENCODE_BIN: '/nowhere/opencode',
        MATRIX_ENABLED: 'true',
        MATRIX_HOMESERVER_URL: homeserver.url,
        MATRIX_USER_ID: '@bridge:mx.test',
        MATRIX_ACCESS_TOKEN: bot.token,
        ...(roomId !== undefined && { MATRIX_ROOM_ID: roomId }),
      });
      expect(homeserver.requests.slice(from).filter((request) => !request.startsWith('GET '))).toEqual([]);
      expect(await events()).toEqual(before);
      expect(outcome.stdout + outcome.stderr).not.toContain(bot.token);
      const { Matrix, 'Matrix room': room } = rowsOf(outcome);
      return { Matrix: Matrix?.replace(homeserver.url, 'it'), room, roomId, stdout: outcome.stdout };
    };
    const roomOf = async (human: Person, bot: Person, options: object = {}) => {
      const roomId = await human.createRoom({ name: 'Tasks', ...options });
      await human.invite(roomId, bot.userId);
      return roomId;
    };

    it('finds an account that makes its room itself', async () => {
      const { Matrix, room } = await inMatrix(async () => undefined);
      expect(Matrix).toBe('ok it answers as @bridge:mx.test');
      expect(room).toBeUndefined();
    });

    it.each([
      ['is invited to', async () => undefined],
      ['is in', async (bot: Person, roomId: string) => void (await bot.join(roomId))],
    ])('finds a room that the account %s', async (_, enter) => {
      const { room, roomId, stdout } = await inMatrix(async (human, bot) => {
        const id = await roomOf(human, bot);
        await enter(bot, id);
        return id;
      });
      expect(room).toBe(`ok ${roomId} is writable`);
      expect(stdout).not.toContain(' Matrix room: ');
    });

    it('finds a room of the newest version, whose creator has no level', async () => {
      const { room, roomId } = await inMatrix(async (human, bot) => {
        const power_level_content_override = { events_default: 50 };
        const id = await bot.createRoom({ room_version: '12', power_level_content_override });
        await bot.invite(id, human.userId);
        await human.join(id);
        return id;
      });
      expect(room).toBe(`ok ${roomId} is writable`);
    });

    it.each<[string, string, (human: Person, bot: Person) => Promise<string>, RegExp]>([
      [
        'that the account may not enter',
        'has no @bridge:mx.test, who is not invited either',
        (human) => human.createRoom(),
        /Matrix room: Invite @bridge:mx\.test to it, or correct MATRIX_ROOM_ID/,
      ],
      [
        'that is encrypted',
        'is encrypted, and the bridge sends plain text only',
        async (human, bot) => {
          const roomId = await roomOf(human, bot);
          await bot.join(roomId);
          await human.encrypt(roomId);
          return roomId;
        },
        /Matrix room: Encryption cannot be turned off: set MATRIX_ROOM_ID/,
      ],
      [
        'that is encrypted, by its invitation',
        'is encrypted, and the bridge sends plain text only',
        async (human, bot) => {
          const roomId = await human.createRoom();
          await human.encrypt(roomId);
          await human.invite(roomId, bot.userId);
          return roomId;
        },
        /Matrix room: Encryption cannot be turned off: set MATRIX_ROOM_ID/,
      ],
      [
        'in which it may not write',
        'takes messages from power level 50 on, @bridge:mx.test has 0',
        async (human, bot) => {
          const roomId = await roomOf(human, bot, { power_level_content_override: { events_default: 50 } });
          await bot.join(roomId);
          return roomId;
        },
        /Matrix room: Give @bridge:mx\.test power level 50 in the room/,
      ],
    ])('says of a room %s what is to be done', async (_, detail, prepare, next) => {
      const { room, roomId, stdout } = await inMatrix(prepare);
      expect(room).toBe(`warn ${roomId} ${detail}`);
      expect(stdout).toMatch(next);
    });

    it('says whose the token is, where it is of somebody else', async () => {
      await using cli = await commandLine();
      await using homeserver = await startFakeHomeserver();
      const { token } = await homeserver.user('ann');
      const variables = {
        ...SERVER_MODE,
        OPENCODE_BIN: '/nowhere/opencode',
        MATRIX_ENABLED: 'true',
        MATRIX_HOMESERVER_URL: homeserver.url,
        MATRIX_USER_ID: '@bridge:mx.test',
      };
      const other = await cli.run('doctor', { ...variables, MATRIX_ACCESS_TOKEN: token });
      expect(rowsOf(other).Matrix).toBe(
        'warn MATRIX_ACCESS_TOKEN belongs to @ann:mx.test, not to @bridge:mx.test',
      );
      expect(other.stdout).toMatch(/ Matrix: Set MATRIX_USER_ID to @ann:mx\.test, or MATRIX_ACCESS_TOKEN/);
      const wrong = await cli.run('doctor', { ...variables, MATRIX_ACCESS_TOKEN: 'wrong' });
      expect(rowsOf(wrong).Matrix).toMatch(/^warn Matrix: whoami: HTTP 401 M_UNKNOWN_TOKEN/);
      expect(wrong.stdout).toMatch(/ Matrix: Correct MATRIX_HOMESERVER_URL or MATRIX_ACCESS_TOKEN/);
    });
  });

  it('says that folders cannot be used', async () => {
    await using cli = await commandLine();
    const file = join(cli.home, 'file');
    await writeFile(file, '');
    const outcome = await cli.run('doctor', { WORKSPACE_DIR: file, DATA_DIR: join(file, 'data') });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome)).toMatchObject({
      WORKSPACE_DIR: expect.stringMatching(/^fail EEXIST/),
      DATA_DIR: expect.stringMatching(/^fail ENOTDIR/),
    });
  });
});

describe('with OPENCODE_SERVER_URL', () => {
  let server: RunningOpenCode;
  beforeAll(async () => {
    server = await startOpenCode({ modelUrl: `${NO_LISTENER}/v1` });
  });
  afterAll(() => server?.stop());
  const variables = () => ({
    ...SERVER_MODE,
    OPENCODE_SERVER_URL: server.url,
    OPENCODE_SERVER_PASSWORD: server.password,
  });

  it('proves that the server sees the same folder; a bridge that runs meanwhile does not matter', async () => {
    await using cli = await commandLine();
    const running = openDatabase(cli.dataDir);
    try {
      const outcome = await cli.run('doctor', variables());
      expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0);
      expect(rowsOf(outcome)).toMatchObject({
        DATA_DIR: `warn ${cli.dataDir} is in use by a bridge`,
        'OpenCode server': `ok ${server.url} answers, version 1.18.33`,
        'shared folder': `ok the server sees ${cli.workspaceDir}`,
      });
      expect(rowsOf(outcome)).not.toHaveProperty('embedded server');
      expect(await readdir(cli.workspaceDir)).toEqual([]);
    } finally {
      running.close();
    }
  });

  it('says that the server refuses the password, without telling it', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', { ...variables(), OPENCODE_SERVER_PASSWORD: 'hunter2' });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome)['OpenCode server']).toMatch(/^fail .*refuses the credentials \(HTTP 401\)/);
    expect(outcome.stdout).toContain('Set OPENCODE_SERVER_USERNAME and OPENCODE_SERVER_PASSWORD');
    expect(outcome.stdout + outcome.stderr).not.toContain('hunter2');
  });

  it('says that nothing answers', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', { ...SERVER_MODE, OPENCODE_SERVER_URL: NO_LISTENER });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome)['OpenCode server']).toMatch(
      /^fail OpenCode at http:\/\/127\.0\.0\.1:1 did not answer/,
    );
  });

  it('says that the server is of another version and sees other folders', async () => {
    await using cli = await commandLine();
    await using other = await otherMachine();
    const outcome = await cli.run('doctor', { ...SERVER_MODE, OPENCODE_SERVER_URL: other.url });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome)).toMatchObject({
      'OpenCode server': `warn ${other.url} answers, version 2.0.0, tested is 1.18.33`,
      'shared folder': `fail the server does not see ${cli.workspaceDir}`,
    });
    expect(await readdir(cli.workspaceDir)).toEqual([]);
  });
});

/** A server that is healthy and answers everything else with a page, as OpenCode does for what it does not know. */
async function otherMachine() {
  const server = createServer((request, response) => {
    const health = request.url === '/global/health';
    response.setHeader('content-type', health ? 'application/json' : 'text/html');
    response.end(health ? '{"healthy":true,"version":"2.0.0"}' : '<!doctype html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

describe('a mode or a configuration that cannot work', () => {
  it('is told by doctor: no Docker Engine', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', { DOCKER_HOST: 'unix:///nowhere/docker.sock' });
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome)['Docker Engine']).toMatch(
      /^fail .*unix:\/\/\/nowhere\/docker.sock does not answer/,
    );
    expect(outcome.stdout).toMatch(
      /Docker Engine: Start Docker, set DOCKER_HOST .* OPENCODE_SERVER_ENABLED=true/,
    );
  });

  it('is told by doctor: an engine without the image, and no key for it', async (context) => {
    context.skip(engine.absent !== undefined, engine.absent);
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', { DOCKER_HOST: engine.host, RUNNER_IMAGE: 'nobody/has:this' });
    expect(outcome.code).toBe(1);
    const rows = rowsOf(outcome);
    expect(rows['Docker Engine']).toMatch(/^ok \d+\.\d+.*, API 1\.\d+ /);
    expect(rows.RUNNER_IMAGE).toBe('fail Docker has no image nobody/has:this');
    expect(rows.RUNNER_ENV_PASSTHROUGH).toMatch(/^warn /);
    expect(outcome.stdout).toContain(
      'docker build -t nobody/has:this -f Dockerfile.opencode --target runner',
    );
  });

  it('is told by doctor: Docker mode works', async (context) => {
    context.skip(engine.absent !== undefined, engine.absent);
    await using cli = await commandLine();
    const variables = { DOCKER_HOST: engine.host, RUNNER_IMAGE: IMAGE, RUNNER_ENV_PASSTHROUGH: 'PATH' };
    const outcome = await cli.run('doctor', variables);
    expect(outcome).toMatchObject({ code: 0 });
    expect(rowsOf(outcome)).toMatchObject({
      RUNNER_IMAGE: `ok ${IMAGE}`,
      RUNNER_ENV_PASSTHROUGH: 'ok containers get PATH',
    });
  });

  const wrong = {
    MCP_PORT: 'x',
    LOG_LEVEL: 'loud',
    MCP_HOST: '0.0.0.0',
    OPENCODE_SERVER_PASSWORD: 'hunter2',
  };

  it.each(['serve', 'stdio'])('is told by %s: every variable at once, exit code 2', async (command) => {
    await using cli = await commandLine();
    const outcome = await cli.run(command, wrong);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    for (const name of ['MCP_PORT "x"', 'LOG_LEVEL "loud"', 'MCP_HOST "0.0.0.0"']) {
      expect(outcome.stderr).toContain(name);
    }
    expect(outcome.stderr).not.toContain('hunter2');
  });

  it('is told by doctor as rows', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('doctor', wrong);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout.match(/^configuration +fail +MCP_PORT/gm)).toHaveLength(1);
    expect(outcome.stdout.match(/^configuration +fail/gm)).toHaveLength(3);
    expect(outcome.stdout).not.toContain('hunter2');
  });
});

describe('the command line', () => {
  it('refuses an unknown command with exit code 2 and its usage', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run('sevre');
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/Unknown command "sevre"[\s\S]*Usage:/);
  });

  it.each([
    ['--help', /^Usage:/],
    ['--version', /^\d+\.\d+\.\d+\n$/],
  ])('answers %s on stdout', async (command, says) => {
    await using cli = await commandLine();
    const outcome = await cli.run(command);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(says);
  });
});
