import { randomUUID } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { textOf } from '../../src/cli/demo/scripted-model/chat.ts';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { OpenCodeApi } from '../../src/runners/opencode-server/api.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { RestClient } from '../http/rest.ts';
import { CRASHING } from '../support/built-program.ts';
import {
  containerEnv,
  containerOf,
  containersOf,
  engine,
  IMAGE,
  removeContainers,
  SCRIPTED_IMAGE,
} from '../support/docker.ts';
import { sharedOpenCode } from '../support/shared-engine.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { crashAt } from './crashing.ts';
import { partsOf } from './parts.ts';
import { type Program, startProgram } from './program.ts';

const STEPS = [
  write('n.txt', 'one\n'),
  bash('cat n.txt >> twice.txt; cat n.txt >> twice.txt'),
  { text: 'Done.' },
];
/** Where the bridge dies while the real OpenCode works; elsewhere it is the scripted one, for its part is the same. */
const WITH_OPENCODE = 'after tool-finished';
const WAITS = [bash('echo began > began; while ! test -e go; do sleep 0.1; done'), { text: 'Went on.' }];

type Bridge = Awaited<ReturnType<typeof serve>>;

let model: ScriptedModel;
let root: Awaited<ReturnType<typeof tempDir>>;
/** The bridge that the last case leaves to the next one, and the variables it has. */
let current: { bridge: Bridge; variables: string } | undefined;
const running = new Set<Program>();

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));
beforeAll(async () => {
  model = await startScriptedModel();
  root = await tempDir('docker-e2e-');
  await chmod(root.path, 0o755);
});
afterEach(async () => {
  // Those that a failed case has left behind.
  for (const program of running) if (program !== current?.bridge.program) await end(program, 'SIGKILL');
});
afterAll(async () => {
  if (current) await end(current.bridge.program, 'SIGTERM');
  // A bridge that is killed here clears nothing away.
  if (engine.absent === undefined) await removeContainers(join(root.path, 'data'));
  await model.close();
  await root.remove();
});

function environment(): Record<string, string> {
  const env = containerEnv(model.url);
  return {
    ...env,
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    CRASH_FILE: join(root.path, 'crash-at'),
    OPENCODE_SERVER_ENABLED: 'false',
    DOCKER_HOST: engine.host,
    RUNNER_IMAGE: SCRIPTED_IMAGE,
    RUNNER_NETWORK: 'host',
    RUNNER_ENV_PASSTHROUGH: Object.keys(env).join(),
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '200',
  };
}

async function end(program: Program, signal: NodeJS.Signals): Promise<void> {
  program.child.kill(signal);
  await program.exit;
  running.delete(program);
  if (current?.bridge.program === program) current = undefined;
}

/** A bridge with these variables: the one that runs, or a new one in its place. */
async function bridgeWith(variables: Record<string, string> = {}): Promise<Bridge> {
  const text = JSON.stringify(variables);
  if (current && current.variables !== text) await end(current.bridge.program, 'SIGTERM');
  current ??= { bridge: await serve(variables), variables: text };
  return current.bridge;
}

async function serve(variables: Record<string, string>) {
  const program = startProgram('serve', { ...environment(), ...variables }, { entry: CRASHING });
  running.add(program);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+)\/mcp"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  const call = async (name: string, args: object) => {
    const { structuredContent } = await client.callTool({ name, arguments: { agent_id: 'me', ...args } });
    return z.looseObject({ task_id: z.string(), status: z.string() }).parse(structuredContent);
  };
  /** Waits for its end, which takes a call no longer than 50 s. */
  const finish = async (args: object) => {
    for (;;) {
      const answer = await call('opencode_execute_task', { ...args, sync: true });
      if (isEnd(answer.status as never)) return answer;
    }
  };
  const api = new RestClient(url, { 'x-agent-id': 'me' });
  const read = async (id: string) => {
    const task = (await api.get(`/tasks/${id}`)).body;
    const events: TaskEvent[] = (await api.get(`/tasks/${id}/events?limit=1000`)).body.events;
    return { task, events };
  };
  return { program, call, finish, read };
}

const order = (steps: Script, title = 'Do it') => ({
  task_description: `${title}: ${scriptText(steps)}`,
  idempotency_key: randomUUID(),
});

const gone = (id: string) =>
  vi.waitUntil(async () => (await containersOf({ id })).length === 0, { timeout: 60_000 });

/** How often the model heard a prompt as the newest thing said. */
const heard = (text: string): number =>
  model.requests.filter(({ messages }) => {
    const last = messages.at(-1);
    return last?.role === 'user' && textOf(last).includes(text);
  }).length;

describe('a bridge in Docker mode that is killed goes on after its restart, and sends the prompt once', () => {
  it.each([
    'before create',
    'after create',
    'before attached',
    'after attached',
    'before start',
    'after start',
    'before tool-finished',
    'before tool-finished#2',
    'before output',
    'after output',
    'before completed',
    'after completed',
    // Last, for it has bridges of its own.
    WITH_OPENCODE,
  ])('%s', async (at) => {
    const image = at === WITH_OPENCODE ? { RUNNER_IMAGE: IMAGE } : {};
    const marked = order(STEPS, at);
    const first = await bridgeWith(image);
    await crashAt(first.program, environment().CRASH_FILE ?? '', at);
    first.call('opencode_execute_task', marked).catch(() => undefined);
    await first.program.exit;
    current = undefined;
    expect(first.program.child.signalCode, first.program.stderr()).toBe('SIGKILL');
    const second = await bridgeWith(image);
    const { task_id, status } = await second.finish(marked);
    expect(status, second.program.stderr()).toBe('completed');
    const { task, events } = await second.read(task_id);
    expect(task.result).toMatchObject({ summary: 'Done.', files_changed_total: 2 });
    expect(task.usage).toMatchObject({ input_tokens: 300 });
    expect(events.filter(({ kind }) => isEnd(kind as never))).toHaveLength(1);
    expect(partsOf(events)).toEqual(['write finished', 'n.txt', 'bash finished', 'Done.']);
    expect(await readFile(join(task.directory, 'twice.txt'), 'utf8')).toBe('one\none\n');
    expect(heard(`${at}: `)).toBe(1);
    await gone(task_id);
  });
});

describe('while the bridge is away', () => {
  const started = async (variables: Record<string, string> = {}, more: object = {}) => {
    const first = await bridgeWith(variables);
    const given = { ...order(WAITS), ...more };
    const { task_id } = await first.call('opencode_execute_task', given);
    const directory = join(root.path, 'data', 'workspaces', task_id);
    await vi.waitUntil(() => readFile(join(directory, 'began')).catch(() => false), { timeout: 120_000 });
    return { first, given, task_id, directory };
  };

  it.each(['SIGKILL', 'SIGTERM'] as const)('the container goes on, after %s', async (signal) => {
    const { first, given, task_id, directory } = await started();
    await end(first.program, signal);
    const { State } = await (await containerOf({ id: task_id })).inspect();
    expect(State.Running).toBe(true);
    await writeFile(join(directory, 'go'), '');
    const second = await bridgeWith();
    expect(await second.finish(given)).toMatchObject({
      status: 'completed',
      result: { summary: 'Went on.' },
    });
  });

  it('a paused task stays frozen, and goes on when it is resumed', async () => {
    const { first, given, task_id, directory } = await started();
    await first.call('send_task_control', { task_id, control: 'pause' });
    await end(first.program, 'SIGKILL');
    const second = await bridgeWith();
    expect(await second.call('get_task_status', { task_id })).toMatchObject({ status: 'paused' });
    await writeFile(join(directory, 'go'), '');
    const { State } = await (await containerOf({ id: task_id })).inspect();
    expect(State.Status).toBe('paused');
    await second.call('send_task_control', { task_id, control: 'resume' });
    expect((await second.finish(given)).status).toBe('completed');
    const { task, events } = await second.read(task_id);
    expect(task.result?.summary).toBe('Went on.');
    expect(events.filter(({ kind }) => kind === 'tool')).toHaveLength(1);
  });

  it('what is not ours is left alone, and what belongs to no task is removed', async () => {
    const { first, given, task_id, directory } = await started();
    const bridgeId = (await readFile(join(root.path, 'data', 'bridge-id'), 'utf8')).trim();
    const stray = (bridge: string) =>
      engine.api.createContainer({
        Image: SCRIPTED_IMAGE,
        Labels: { 'letta-opencode-plugin.bridge': bridge, 'letta-opencode-plugin.task': 'task_none' },
      });
    const [ours, theirs] = [await stray(bridgeId), await stray('another')];
    await end(first.program, 'SIGKILL');
    const second = await bridgeWith();
    await expect(ours.inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect(await theirs.inspect()).toMatchObject({ State: { Status: 'created' } });
    await theirs.remove();
    await writeFile(join(directory, 'go'), '');
    expect((await second.finish(given)).status).toBe('completed');
    expect(task_id).toMatch(/^task_/);
  });

  it('the time limit passes: the container is ended at the start', async () => {
    const first = await bridgeWith();
    const given = { ...order(WAITS), timeout_ms: 20_000 };
    const { task_id: id } = await first.call('opencode_execute_task', given);
    await vi.waitUntil(() => containerOf({ id }).catch(() => false), { timeout: 60_000 });
    await end(first.program, 'SIGKILL');
    expect(await (await bridgeWith()).finish(given)).toMatchObject({ status: 'timeout' });
    await gone(id);
  });

  it('the container vanishes: the agent is told, or the task fails and says so', async () => {
    const { first, given, task_id } = await started();
    await end(first.program, 'SIGKILL');
    await (await containerOf({ id: task_id })).remove({ force: true });
    const { error, status } = await (await bridgeWith({ RECOVERY_POLICY: 'fail' })).finish(given);
    expect({ error, status }).toMatchObject({ status: 'failed', error: { code: 'ENGINE_LOST' } });
    expect(error).toMatchObject({ message: expect.stringContaining('is gone') });
  });

  const SERVER_MODE = { OPENCODE_SERVER_ENABLED: 'true', OPENCODE_SERVER_URL: 'http://127.0.0.1:1' };

  it('the mode is changed: the container is stopped, the task fails honestly and cannot be continued', async () => {
    const { first, given, task_id } = await started();
    await end(first.program, 'SIGKILL');
    const second = await bridgeWith(SERVER_MODE);
    const answer = await second.finish(given);
    expect(answer).toMatchObject({ status: 'failed', error: { code: 'INVALID_STATE' } });
    const { State } = await (await containerOf({ id: task_id })).inspect();
    expect(State.Running).toBe(false);
    await expect(
      second.call('opencode_execute_task', { task_description: 'Go on.', continue_task_id: task_id }),
    ).rejects.toThrow();
    await bridgeWith();
    await gone(task_id);
  });

  it('the mode is changed, and Docker cannot be reached: the task says how to end the container', async () => {
    const { first, given, task_id } = await started();
    await end(first.program, 'SIGKILL');
    const second = await bridgeWith({ ...SERVER_MODE, DOCKER_HOST: 'unix:///nowhere' });
    const answer = await second.finish(given);
    expect(answer).toMatchObject({ status: 'failed', error: { code: 'INVALID_STATE' } });
    expect((await second.read(task_id)).events).toContainEqual(
      expect.objectContaining({
        code: 'STOP_UNCONFIRMED',
        message: expect.stringContaining(`label=letta-opencode-plugin.task=${task_id} | xargs docker rm -f`),
      }),
    );
  });

  it('the mode is changed from server mode: the session is aborted', async () => {
    const { engine: server } = await sharedOpenCode();
    const { url: OPENCODE_SERVER_URL, password: OPENCODE_SERVER_PASSWORD } = server;
    const variables = { OPENCODE_SERVER_URL, OPENCODE_SERVER_PASSWORD };
    const before = await started({ ...variables, OPENCODE_SERVER_ENABLED: 'true' });
    await end(before.first.program, 'SIGKILL');
    const second = await bridgeWith(variables);
    const answer = await second.finish(before.given);
    expect(answer).toMatchObject({ status: 'failed', error: { code: 'INVALID_STATE' } });
    expect((await second.read(before.task_id)).events).not.toContainEqual(
      expect.objectContaining({ code: 'STOP_UNCONFIRMED' }),
    );
    const api = new OpenCodeApi(server);
    expect(await api.statuses(before.directory)).toEqual(new Map());
  });
});
