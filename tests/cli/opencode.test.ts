import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Rule, Script } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { health } from '../../src/cli/opencode/health.ts';
import { smoke } from '../../src/cli/opencode/smoke.ts';
import { soak } from '../../src/cli/opencode/soak.ts';
import { FILE } from '../../src/cli/opencode/trial-session.ts';
import { Trials } from '../../src/cli/opencode/trials.ts';
import { up } from '../../src/cli/opencode/up.ts';
import { loadIsolatedConfig } from '../../src/config/isolated.ts';
import { authorization } from '../../src/runners/opencode-server/endpoint.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { startProgram } from '../e2e/program.ts';
import { hermeticEnv, type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { commandLine } from './command.ts';

const SUCCEEDS: Script = [write(FILE, 'OpenCode works.\n'), { text: 'Done.' }];
/** Longer than the command line may take: what waits for nothing is found. */
const LIMIT = ['--timeout', '160'];

/** What the model does with the prompt of a trial. */
const rules: [Rule] = [{ when: FILE, steps: SUCCEEDS }];
let model: ScriptedModel;
let server: RunningOpenCode;

beforeAll(async () => {
  model = await startScriptedModel({ rules });
  server = await startOpenCode({ modelUrl: model.url });
});
beforeEach(() => {
  rules[0].steps = SUCCEEDS;
});
afterAll(async () => {
  await server?.stop();
  await model?.close();
});

/** The command line with a workspace of its own and the password of the server. */
async function trialCommands() {
  const cli = await commandLine();
  const root = join(cli.home, 'root');
  await mkdir(root);
  const variables = { WORKSPACE_ROOT: root, OPENCODE_SERVER_PASSWORD: server.password };
  const run = (command: string, options: string[] = [], more: Record<string, string> = {}) =>
    cli.run(['opencode', command, '--baseUrl', server.url, ...options], { ...variables, ...more });
  return { home: cli.home, root, variables, run, [Symbol.asyncDispose]: cli[Symbol.asyncDispose] };
}

/** Those of the sessions that the model was asked in since then which the server still has. */
async function sessionsLeft(asked: number): Promise<unknown[]> {
  const sessions = new Set(model.requests.slice(asked).map(({ session }) => session));
  expect(sessions.size).toBeGreaterThan(0);
  const answers = [...sessions].map(async (id) => {
    const { status } = await fetch(`${server.url}/session/${id}`, { headers: authorization(server) });
    return status === 404 ? [] : [id];
  });
  return (await Promise.all(answers)).flat();
}

describe('health', () => {
  it('is healthy with an engine that was started without Docker', async () => {
    await using cli = await trialCommands();
    const outcome = await cli.run('health', ['--timeout', '60']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^healthy: http\S+\/event sent server\.connected after [\d.]+ s\n$/);
  });

  it('says that the password is refused, without printing it', async () => {
    await using cli = await trialCommands();
    const outcome = await cli.run('health', [], { OPENCODE_SERVER_PASSWORD: 'hunter2' });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^http\S+ refuses the credentials \(HTTP 401\)\.\nSet OPENCODE_SERVER/);
    expect(outcome.stderr).not.toContain('hunter2');
  });

  it('says that nothing listens on OPENCODE_PORT, its default', async () => {
    await using cli = await commandLine();
    const port = await freePort();
    const outcome = await cli.run(['opencode', 'health'], { OPENCODE_PORT: `${port}` });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toBe(
      `http://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}\n`,
    );
  });
});

describe('smoke', () => {
  it('prints each step of one session, and leaves nothing behind', async () => {
    await using cli = await trialCommands();
    const asked = model.requests.length;
    const outcome = await cli.run('smoke', [...LIMIT, '--model', 'mock/m1']);
    expect(outcome, outcome.stdout).toMatchObject({ code: 0, stderr: '' });
    const rows = outcome.stdout.trim().split('\n');
    expect(rows.slice(0, -1).map((row) => row.replace(/^ok +\d+\.\d\d s {2}/, ''))).toEqual([
      'wait for server.connected',
      'make a folder',
      'create a session',
      'prompt it and wait for the end',
      'check the answer',
      'check the file on disk',
      'read the file over the API',
      'delete the session',
      'remove the folder',
    ]);
    expect(rows.at(-1)).toMatch(/^smoke passed after \d+\.\d\d s: http/);
    expect(await readdir(cli.root)).toEqual([]);
    expect(await sessionsLeft(asked)).toEqual([]);
    expect(model.requests.slice(asked).filter(({ title }) => title)).toEqual([]);
  });

  it('fails where the model does nothing, and cleans up all the same', async () => {
    await using cli = await trialCommands();
    rules[0].steps = [{ text: 'done' }];
    const asked = model.requests.length;
    const outcome = await cli.run('smoke', LIMIT);
    expect(outcome).toMatchObject({ code: 1, stderr: '' });
    expect(outcome.stdout).toMatch(/^fail .* check the file on disk: the model did not write /m);
    expect(outcome.stdout).toMatch(/\nsmoke failed after /);
    expect(await readdir(cli.root)).toEqual([]);
    expect(await sessionsLeft(asked)).toEqual([]);
  });

  it('fails at once where nothing listens', async () => {
    await using cli = await trialCommands();
    const outcome = await cli.run('smoke', ['--baseUrl', `http://127.0.0.1:${await freePort()}`]);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toMatch(/^fail .* wait for server\.connected: .*ECONNREFUSED/);
  });
});

describe('a trial', () => {
  /** One session in a folder of its own, which has to be empty afterwards; rejects as the trial does. */
  const runOn = async (endpoint: RunningOpenCode, timeout = 80_000): Promise<void> => {
    await using folder = await tempDir('trial-');
    const config = loadIsolatedConfig({ WORKSPACE_ROOT: folder.path, HOME: folder.path });
    const { signal: stop } = new AbortController();
    const trials = new Trials(config, { endpoint, model: undefined, timeout, stop });
    try {
      await trials.run((_what, work) => work(), true);
    } finally {
      trials.close();
      expect(await readdir(folder.path)).toEqual([]);
    }
  };

  const broken: [string, Script, RegExp][] = [
    [
      'writes something else',
      [write(FILE, 'No.\n'), { text: 'done' }],
      /^\S+ does not contain what the prompt asked/,
    ],
    [
      'answers something else',
      [write(FILE, 'OpenCode works.'), { text: 'Hello.' }],
      /^the model did not answer "done" but "Hello\."$/,
    ],
    ['is refused', [{ fail: { status: 401, message: 'no such key' } }], /^\S+: .*no such key/],
  ];

  it.each(broken)('fails where the model %s', async (_what, steps, says) => {
    rules[0].steps = steps;
    await expect(runOn(server)).rejects.toThrow(says);
  });

  it('fails where it takes too long', async () => {
    rules[0].steps = [{ hang: 'headers' }];
    await expect(runOn(server, 4_000)).rejects.toThrow('it did not end within 4 s');
  });

  it('lets the model write where the server asks for it, and nothing else', async () => {
    const config = { permission: { edit: 'ask', bash: 'ask' } };
    await using careful = await startOpenCode({ modelUrl: model.url, config });
    rules[0].steps = [bash('touch beside.txt'), ...SUCCEEDS];
    await runOn(careful);
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('Not needed for this');
  });
});

describe('soak', () => {
  it('prints how many sessions, how fast, and the memory of the process that listens', async () => {
    await using cli = await trialCommands();
    const outcome = await cli.run('soak', ['--minutes', '0.05', '--concurrency', '3', ...LIMIT]);
    expect(outcome, outcome.stdout).toMatchObject({ code: 0, stderr: '' });
    const [first, done, latency, memory, ...rest] = outcome.stdout.trim().split('\n');
    expect(first).toMatch(/^soaking http\S+ for 0\.05 min, 3 sessions at once/);
    expect(Number(/^(\d+) sessions done, 0 failed in /.exec(done ?? '')?.[1])).toBeGreaterThanOrEqual(3);
    const times = [...(latency ?? '').matchAll(/(?:p50|p90|p99|max) (\d+\.\d\d) s/g)].map(([, time]) =>
      Number(time),
    );
    expect(times).toHaveLength(4);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThan(0);
    expect(memory).toMatch(
      new RegExp(`^memory   start \\d{3,} MB  peak \\d{3,} MB  end \\d{3,} MB  \\(process ${server.pid}\\)$`),
    );
    expect(rest).toEqual([]);
    expect(await readdir(cli.root)).toEqual([]);
  });

  it('counts errors by their reason, and fails', async () => {
    await using cli = await trialCommands();
    rules[0].steps = [{ text: 'done' }];
    const outcome = await cli.run('soak', ['--minutes', '0.02', '--concurrency', '2', ...LIMIT]);
    expect(outcome).toMatchObject({ code: 1, stderr: '' });
    const times = /^ {2}(\d+) × the model did not write /m.exec(outcome.stdout)?.[1];
    expect(outcome.stdout).toContain(`\n0 sessions done, ${times} failed in `);
    expect(outcome.stdout).toContain('\nlatency  unknown\n');
    expect(await readdir(cli.root)).toEqual([]);
  });

  it('ends at Ctrl-C with the report, and leaves no session at work', async () => {
    await using cli = await trialCommands();
    rules[0].steps = [{ hang: 'headers' }];
    const asked = model.requests.length;
    const env = { ...hermeticEnv(cli.home, model.url), ...cli.variables };
    const args = ['soak', '--baseUrl', server.url, '--concurrency', '2'];
    const program = startProgram('opencode', env, { args });
    try {
      while (model.requests.length < asked + 2 && program.child.exitCode === null) await sleep(20);
      program.child.kill('SIGINT');
      expect(await program.exit).toBe(0);
    } finally {
      program.child.kill('SIGKILL');
    }
    expect(program.stdout()).toContain('\n0 sessions done, 0 failed, 2 aborted in ');
    expect(await readdir(cli.root)).toEqual([]);
    expect(await sessionsLeft(asked)).toEqual([]);
  });

  it('fails at once where nothing listens', async () => {
    await using cli = await trialCommands();
    const outcome = await cli.run('soak', ['--baseUrl', `http://127.0.0.1:${await freePort()}`]);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('ECONNREFUSED');
  });
});

describe('the command line', () => {
  it.each([
    [['opencode', 'upp'], /^Unknown command "upp"\.\nUsage: /],
    [['opencode', 'health', '--timeout', 'soon'], /^--timeout "soon": .*\n.*--help lists/],
  ])('refuses %j with exit code 2', async (command, says) => {
    await using cli = await commandLine();
    const outcome = await cli.run(command);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(says);
  });

  it.each([
    [health, ['--base', 'x'], /^Unknown option '--base'/],
    [health, ['--baseUrl', 'ftp://x'], /^--baseUrl "ftp:\/\/x": /],
    [health, ['now'], /^Unexpected argument 'now'/],
    [smoke, ['--model', 'gpt'], /^--model "gpt": must be provider\/model/],
    [smoke, ['--timeout', '0'], /^--timeout "0": /],
    [soak, ['--concurrency', '0'], /^--concurrency "0": /],
    [soak, ['--minutes', '-1'], /^Option '--minutes' argument is ambiguous/],
    [up, ['--network', 'none'], /^--network "none": /],
  ])('%o refuses %j', async (command, args, says) => {
    const thrown = await command(loadIsolatedConfig({}), args).catch((reason) => reason);
    expect(thrown).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(says) });
  });

  it('explains itself', async () => {
    await using cli = await commandLine();
    const outcome = await cli.run(['opencode', '--help']);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['up', 'down', 'health', 'smoke', 'soak'])
      expect(outcome.stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  });
});
