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
import { isEnd } from '../../src/tasks/task.ts';
import {
  containerEnv,
  containerOf,
  containersOf,
  engine,
  IMAGE,
  removeContainers,
  SCRIPTED_IMAGE,
} from '../support/docker.ts';
import { startOpenCode } from '../support/opencode.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { partsOf, readStore } from './parts.ts';
import { type Program, startProgram } from './program.ts';

vi.setConfig({ testTimeout: 180_000 });

const CRASHING = join(import.meta.dirname, '../support/crash-entry.ts');
const STEPS = [
  write('n.txt', 'one\n'),
  bash('cat n.txt >> twice.txt; cat n.txt >> twice.txt'),
  { text: 'Done.' },
];
/** Where the bridge dies while OpenCode works; elsewhere it is the scripted one, for its part is the same. */
const WITH_OPENCODE: ReadonlySet<string> = new Set(['after start', 'after tool-finished']);
const WAITS = [bash('echo began > began; while ! test -e go; do sleep 0.1; done'), { text: 'Went on.' }];

let model: ScriptedModel;
let root: Awaited<ReturnType<typeof tempDir>>;
const running = new Set<Program>();

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));
beforeAll(async () => {
  model = await startScriptedModel();
});
afterAll(() => model.close());
beforeEach(async () => {
  root = await tempDir('docker-e2e-');
  await chmod(root.path, 0o755);
});
afterEach(async () => {
  for (const { child, exit } of running) {
    child.kill('SIGKILL');
    await exit;
  }
  running.clear();
  // A bridge that is killed here clears nothing away.
  if (root) await removeContainers(join(root.path, 'data'));
  await root?.remove();
});

function environment(): Record<string, string> {
  const env = containerEnv(model.url);
  return {
    ...env,
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    OPENCODE_SERVER_ENABLED: 'false',
    DOCKER_HOST: engine.host,
    RUNNER_IMAGE: SCRIPTED_IMAGE,
    RUNNER_NETWORK: 'host',
    RUNNER_ENV_PASSTHROUGH: Object.keys(env).join(),
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '200',
  };
}

async function serve(variables: Record<string, string> = {}, entry?: string) {
  const program = startProgram('serve', { ...environment(), ...variables }, entry ? { entry } : {});
  running.add(program);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
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
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    program.child.kill(signal);
    await program.exit;
    running.delete(program);
  };
  return { program, call, finish, end };
}

const order = (steps: Script) => ({
  task_description: `Do it. ${scriptText(steps)}`,
  idempotency_key: 'k',
});

const read = (taskId: string) => readStore(join(root.path, 'data'), taskId);

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
    'after tool-finished',
    'before tool-finished#2',
    'before output',
    'after output',
    'before completed',
    'after completed',
  ])('%s', async (at) => {
    const marked = { ...order(STEPS), task_description: `${at}: ${scriptText(STEPS)}` };
    const image = WITH_OPENCODE.has(at) ? { RUNNER_IMAGE: IMAGE } : {};
    const first = await serve({ ...image, CRASH_AT: at }, CRASHING);
    first.call('opencode_execute_task', marked).catch(() => undefined);
    await first.program.exit;
    expect(first.program.child.signalCode, first.program.stderr()).toBe('SIGKILL');
    const second = await serve(image);
    const { task_id, status } = await second.finish(marked);
    expect(status, second.program.stderr()).toBe('completed');
    await second.end('SIGTERM');
    const { task, events } = read(task_id);
    expect(task.result).toMatchObject({ summary: 'Done.', files_changed_total: 2 });
    expect(task.usage).toMatchObject({ input_tokens: 300 });
    expect(events.filter(({ kind }) => isEnd(kind as never))).toHaveLength(1);
    expect(partsOf(events)).toEqual(['write finished', 'n.txt', 'bash finished', 'Done.']);
    expect(await readFile(join(task.directory, 'twice.txt'), 'utf8')).toBe('one\none\n');
    expect(heard(`${at}: `)).toBe(1);
    expect(await containersOf(task)).toEqual([]);
  });
});

describe('while the bridge is away', () => {
  const started = async (variables: Record<string, string> = {}) => {
    const first = await serve(variables);
    const { task_id } = await first.call('opencode_execute_task', order(WAITS));
    const directory = join(root.path, 'data', 'workspaces', task_id);
    await vi.waitUntil(() => readFile(join(directory, 'began')).catch(() => false), { timeout: 120_000 });
    return { first, task_id, directory };
  };
  const ended = async (variables: Record<string, string>, task_id: string) => {
    const second = await serve(variables);
    await second.call('get_task_status', { task_id });
    const { status } = await second.finish(order(WAITS));
    await second.end('SIGTERM');
    return { status, ...read(task_id) };
  };

  it.each(['SIGKILL', 'SIGTERM'] as const)('the container goes on, after %s', async (signal) => {
    const { first, task_id, directory } = await started();
    await first.end(signal);
    const { State } = await (await containerOf(read(task_id).task)).inspect();
    expect(State.Running).toBe(true);
    await writeFile(join(directory, 'go'), '');
    const { task } = await ended({}, task_id);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'Went on.' } });
  });

  it('a paused task stays frozen, and goes on when it is resumed', async () => {
    const { first, task_id, directory } = await started();
    await first.call('send_task_control', { task_id, control: 'pause' });
    await first.end('SIGKILL');
    const second = await serve();
    expect(await second.call('get_task_status', { task_id })).toMatchObject({ status: 'paused' });
    await writeFile(join(directory, 'go'), '');
    const { State } = await (await containerOf({ id: task_id })).inspect();
    expect(State.Status).toBe('paused');
    await second.call('send_task_control', { task_id, control: 'resume' });
    const { status } = await second.finish(order(WAITS));
    expect(status).toBe('completed');
    await second.end('SIGTERM');
    const { task, events } = read(task_id);
    expect(task.result?.summary).toBe('Went on.');
    expect(events.filter(({ kind }) => kind === 'tool')).toHaveLength(1);
  });

  it('the container vanishes: the agent is told, or the task fails and says so', async () => {
    const { first, task_id } = await started();
    await first.end('SIGKILL');
    await (await containerOf(read(task_id).task)).remove({ force: true });
    const { task } = await ended({ RECOVERY_POLICY: 'fail' }, task_id);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'ENGINE_LOST' } });
    expect(task.error?.message).toContain('is gone');
  });

  it('the time limit passes: the container is ended at the start', async () => {
    const first = await serve({ RUNNER_TIMEOUT_MS: '8000' });
    const { task_id: id } = await first.call('opencode_execute_task', order(WAITS));
    await vi.waitUntil(() => containerOf({ id }).catch(() => false), { timeout: 7_000 });
    await first.end('SIGKILL');
    const { status } = await ended({}, id);
    expect(status).toBe('timeout');
    expect(await containersOf({ id })).toEqual([]);
  });

  const SERVER_MODE = { OPENCODE_SERVER_ENABLED: 'true', OPENCODE_SERVER_URL: 'http://127.0.0.1:1' };

  it('the mode is changed: the container is stopped, the task fails honestly and cannot be continued', async () => {
    const { first, task_id } = await started();
    await first.end('SIGKILL');
    const second = await serve(SERVER_MODE);
    const answer = await second.finish(order(WAITS));
    expect(answer).toMatchObject({ status: 'failed', error: { code: 'INVALID_STATE' } });
    const { State } = await (await containerOf({ id: task_id })).inspect();
    expect(State.Running).toBe(false);
    await expect(
      second.call('opencode_execute_task', { task_description: 'Go on.', continue_task_id: task_id }),
    ).rejects.toThrow();
    await second.end('SIGTERM');
    const third = await serve();
    await vi.waitUntil(async () => (await containersOf({ id: task_id })).length === 0, { timeout: 60_000 });
    await third.end('SIGTERM');
  });

  it('the mode is changed, and Docker cannot be reached: the task says how to end the container', async () => {
    const { first, task_id } = await started();
    await first.end('SIGKILL');
    const { task, events } = await ended({ ...SERVER_MODE, DOCKER_HOST: 'unix:///nowhere' }, task_id);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'INVALID_STATE' } });
    expect(events).toContainEqual(
      expect.objectContaining({
        code: 'STOP_UNCONFIRMED',
        message: expect.stringContaining(`label=letta-opencode-plugin.task=${task_id} | xargs docker rm -f`),
      }),
    );
  });

  it('the mode is changed from server mode: the session is aborted', async () => {
    await using server = await startOpenCode({ modelUrl: model.url });
    const { url: OPENCODE_SERVER_URL, password: OPENCODE_SERVER_PASSWORD } = server;
    const variables = { OPENCODE_SERVER_URL, OPENCODE_SERVER_PASSWORD };
    const { first, task_id, directory } = await started({ ...variables, OPENCODE_SERVER_ENABLED: 'true' });
    await first.end('SIGKILL');
    const { task, events } = await ended(variables, task_id);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'INVALID_STATE' } });
    expect(events).not.toContainEqual(expect.objectContaining({ code: 'STOP_UNCONFIRMED' }));
    const api = new OpenCodeApi(server);
    expect(await api.statuses(directory)).toEqual(new Map());
  });

  it('what is not ours is left alone, and what belongs to no task is removed', async () => {
    const { first, task_id, directory } = await started();
    const bridgeId = (await readFile(join(root.path, 'data', 'bridge-id'), 'utf8')).trim();
    const stray = (bridge: string) =>
      engine.api.createContainer({
        Image: SCRIPTED_IMAGE,
        Labels: { 'letta-opencode-plugin.bridge': bridge, 'letta-opencode-plugin.task': 'task_none' },
      });
    const [ours, theirs] = [await stray(bridgeId), await stray('another')];
    await first.end('SIGKILL');
    const second = await serve();
    await expect(ours.inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect(await theirs.inspect()).toMatchObject({ State: { Status: 'created' } });
    await theirs.remove();
    await writeFile(join(directory, 'go'), '');
    const { status } = await second.finish(order(WAITS));
    expect(status).toBe('completed');
    expect(task_id).toMatch(/^task_/);
  });
});
