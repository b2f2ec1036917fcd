import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { findOpenCode } from '../../src/runners/opencode-server/binary.ts';
import { EmbeddedServer } from '../../src/runners/opencode-server/embedded-server.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { hermeticEnv } from '../support/opencode.ts';
import { isRunning, processesOf } from '../support/processes.ts';
import { bash, slowly } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';

const HOST = join(import.meta.dirname, '../support/engine-host.ts');
const LINGER_MS = 300;
const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 60_000, interval: 20 });
let bridge: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ fresh: true, instanceLingerMs: LINGER_MS, recovery: { policy: 'fail' } });
});
afterAll(() => bridge.close());

async function kill(): Promise<number> {
  const pid = bridge.engine?.pid;
  if (pid === undefined) throw new Error('no engine runs');
  process.kill(pid, 'SIGKILL');
  await until(() => !isRunning(pid));
  return pid;
}

it('that dies in a turn is started again; the task fails readably, the next one works', async () => {
  const text = await bridge.start([slowly('bla ', 30_000)]);
  const shell = await bridge.start([bash('sleep 51')]);
  await bridge.untilAsked(text);
  await bridge.until(shell, ({ kind }) => kind === 'tool');
  const pid = await kill();
  const began = performance.now();
  const ended = await Promise.all([bridge.end(text), bridge.end(shell)]);
  expect(performance.now() - began, 'not as long as the command').toBeLessThan(40_000);
  for (const task of ended) {
    expect(task).toMatchObject({
      status: 'failed',
      error: {
        code: 'ENGINE_LOST',
        message: expect.stringContaining('stopped in the middle'),
      },
    });
  }
  expect(bridge.engine?.pid).not.toBe(pid);
  expect((await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 51'))).toEqual([]);
  expect(await bridge.run([{ text: 'works' }])).toMatchObject({ status: 'completed' });
  const continued = await bridge.run([{ text: 'goes on' }], { continueTaskId: text.id });
  expect(continued).toMatchObject({ status: 'completed', result: { summary: 'goes on' } });
});

it('that is being started again keeps a new task waiting, not failing', async () => {
  await kill();
  expect(await bridge.run([{ text: 'waited' }])).toMatchObject({ status: 'completed' });
});

it('that dies does not keep a cancel waiting', async () => {
  const task = await bridge.start([bash('sleep 52')]);
  await bridge.until(task, ({ kind }) => kind === 'tool');
  await kill();
  const began = performance.now();
  expect((await bridge.execution.cancel(task, 'agent', undefined)).status).toBe('cancelled');
  expect(performance.now() - began, 'not as long as the command').toBeLessThan(20_000);
  expect((await bridge.run([{ text: 'works' }])).status).toBe('completed');
});

it('asks for its password', async () => {
  const response = await fetch(`${bridge.endpoint.url}/global/health`);
  expect(response.status).toBe(401);
});

it('frees the instance of a folder that the bridge made, and of no other', async () => {
  const named = join(bridge.workspaceDir, 'named');
  await mkdir(named, { recursive: true });
  await using heard = await disposals();
  const own = await bridge.run([{ text: 'own' }]);
  const theirs = await bridge.run([{ text: 'theirs' }], { directory: named });
  await until(() => heard.directories.includes(own.directory));
  const again = await bridge.run([{ text: 'again' }], { continueTaskId: own.id });
  expect(again).toMatchObject({ status: 'completed', result: { summary: 'again' } });
  await until(() => heard.directories.filter((directory) => directory === own.directory).length === 2);
  expect(heard.directories).not.toContain(theirs.directory);
});

it('keeps six instances at most, those in use among them, and frees the idle one of the longest ago', async () => {
  await using heard = await disposals();
  const { endpoint, model } = bridge;
  await using patient = await startBridge({ on: { endpoint, model }, fresh: true, instanceLingerMs: 60_000 });
  const oldest = await patient.run([{ text: 'oldest' }]);
  await Promise.all(Array.from({ length: 5 }, () => patient.run([{ text: 'more' }])));
  const freed = () => heard.directories.filter((directory) => directory.startsWith(patient.workspaceDir));
  expect(freed()).toEqual([]);
  await patient.run([{ text: 'one more' }]);
  await until(() => freed().length > 0);
  expect(freed()).toEqual([oldest.directory]);
});

it('is given a bounded heap, unless the user says otherwise', async () => {
  const environment = await readFile(`/proc/${bridge.engine?.pid}/environ`, 'utf8');
  expect(environment.split('\0')).toEqual(
    expect.arrayContaining(['BUN_JSC_forceRAMSize=2500000000', 'BUN_JSC_useFTLJIT=0']),
  );
  const env = { ...hermeticEnv(bridge.home, bridge.model.url), BUN_JSC_forceRAMSize: '2000000000' };
  const options = { binary: findOpenCode(undefined, process.env.PATH), env, cwd: bridge.home };
  const own = await EmbeddedServer.start({ ...options, snapshot: false, logger: createLogger('silent') });
  try {
    await own.listening();
    const theirs = await readFile(`/proc/${own.pid}/environ`, 'utf8');
    expect(theirs.split('\0')).toContain('BUN_JSC_forceRAMSize=2000000000');
  } finally {
    await own.close();
  }
});

it('keeps the instance of a folder where a task runs, also where that is another task', async () => {
  await using heard = await disposals();
  const first = await bridge.run([{ text: 'first' }]);
  const second = await bridge.start([bash(`sleep ${(4 * LINGER_MS) / 1000}`), { text: 'second' }], {
    continueTaskId: first.id,
  });
  expect(await bridge.end(second)).toMatchObject({ status: 'completed', result: { summary: 'second' } });
  expect(heard.directories).not.toContain(first.directory);
  await until(() => heard.directories.includes(first.directory));
});

it('can be continued at whatever moment its folder is freed', async () => {
  let task: Task = await bridge.run([{ text: 'x' }]);
  for (let delay = LINGER_MS - 30; delay <= LINGER_MS + 30; delay += 10) {
    await new Promise((resolve) => setTimeout(resolve, delay));
    task = await bridge.run([{ text: `${delay}` }], { continueTaskId: task.id });
    expect(task).toMatchObject({ status: 'completed', result: { summary: `${delay}` } });
  }
});

it('is gone within seconds when the bridge process is killed, and so are its shells', async () => {
  await using home = await tempDir('engine-host-');
  const host = spawn(process.execPath, [HOST, home.path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(host.stdout), 'line');
  const pid = Number(line);
  expect(isRunning(pid)).toBe(true);
  host.kill('SIGKILL');
  await until(() => !isRunning(pid));
  await until(async () => (await processesOf(home.path)).length === 0);
});

it('can be closed while it starts', async () => {
  await using home = await tempDir('engine-close-');
  const server = await EmbeddedServer.start(options(home.path, findOpenCode(undefined, process.env.PATH)));
  const { pid = 0 } = server;
  expect(isRunning(pid)).toBe(true);
  await server.close();
  expect(isRunning(pid)).toBe(false);
  expect(await processesOf(home.path)).toEqual([]);
});

it('that does not take its secrets from stdin never listens with a password that can be known, and is started again with all', async () => {
  await using home = await tempDir('engine-old-');
  const old = join(home.path, 'opencode');
  const starts = join(home.path, 'starts');
  await writeFile(
    old,
    `#!/bin/sh\necho "$OPENCODE_SERVER_PASSWORD" >> ${starts}\necho "opencode server listening on x"\nexec sleep 60\n`,
  );
  await chmod(old, 0o755);
  const server = await EmbeddedServer.start(options(home.path, old));
  try {
    await server.listening();
    const passwords = (await readFile(starts, 'utf8')).trim().split('\n');
    expect(passwords).toEqual([expect.stringMatching(/^.{32}$/), server.endpoint.password]);
    expect(passwords[0]).not.toBe(server.endpoint.password);
  } finally {
    await server.close();
  }
});

it('shows no password and no key in /proc', async () => {
  const environment = await readFile(`/proc/${bridge.engine?.pid}/environ`, 'utf8');
  const secrets = [bridge.endpoint.password ?? '-', 'apiKey', 'OPENCODE_CONFIG_CONTENT'];
  for (const secret of secrets) expect(environment).not.toContain(secret);
});

it('that cannot be started says why, and can be closed', async () => {
  await using home = await tempDir('engine-broken-');
  const broken = join(home.path, 'opencode');
  await writeFile(broken, '#!/bin/sh\necho "no such luck" >&2\nexit 7\n');
  await chmod(broken, 0o755);
  for (const [binary, why] of [
    [broken, 'exit code 7 no such luck'],
    [join(home.path, 'nowhere'), 'ENOENT'],
  ] as const) {
    const server = await EmbeddedServer.start(options(home.path, binary));
    await until(() => server.lastError?.includes(why) === true);
    expect(server.endpoint.problem?.()).toContain(why);
    await server.close();
  }
});

it('is looked for where OPENCODE_BIN says, and nowhere else', () => {
  expect(() => findOpenCode('/nowhere/opencode', process.env.PATH)).toThrow(
    expect.objectContaining({
      code: 'ENGINE_UNAVAILABLE',
      message: 'OPENCODE_BIN "/nowhere/opencode" is not an executable file.',
    }),
  );
  expect(() => findOpenCode('/tmp', undefined)).toThrow(/not an executable file/);
});

function options(home: string, binary: string) {
  const env = hermeticEnv(home, 'http://127.0.0.1:1/v1');
  return { binary, env, cwd: home, snapshot: false, logger: createLogger('silent') };
}

/** The folders whose instances the engine has disposed of since. */
async function disposals() {
  const stop = new AbortController();
  const directories: string[] = [];
  const { stream } = await bridge.client.global.event({ signal: stop.signal });
  const connected = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const { payload, directory } of stream) {
      connected.resolve();
      if (payload.type === 'server.instance.disposed' && directory) directories.push(directory);
    }
  })().catch(() => undefined);
  await connected.promise;
  return {
    directories,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}
