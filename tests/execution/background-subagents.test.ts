import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Script, Step } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { findOpenCode } from '../../src/runners/opencode-server/binary.ts';
import { EmbeddedServer } from '../../src/runners/opencode-server/embedded-server.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, type BridgeSetup, logger, startBridge } from '../support/bridge.ts';
import { hermeticHome } from '../support/opencode.ts';
import { bash, slowly, subagentCall, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';

const RULE = { when: 'Background task completed', steps: [{ text: 'woken: all is done' }] };
const FAILED = { when: 'Background task failed', steps: [{ text: 'woken: it failed' }] };

let home: Awaited<ReturnType<typeof tempDir>>;
let engine: EmbeddedServer;
let model: Awaited<ReturnType<typeof startScriptedModel>>;
let bridge: Bridge;

const join2 = (setup: BridgeSetup = {}) =>
  startBridge({ ...setup, on: { endpoint: engine.endpoint, model } });

beforeAll(async () => {
  home = await tempDir('background-');
  model = await startScriptedModel({ rules: [RULE, FAILED] });
  engine = await EmbeddedServer.start({
    binary: findOpenCode(undefined, process.env.PATH),
    env: {
      ...hermeticHome(home.path, model.url),
      OPENCODE_EXPERIMENTAL_BACKGROUND_SUBAGENTS: 'true',
    },
    cwd: home.path,
    snapshot: false,
    logger,
  });
  bridge = await join2();
});
afterAll(async () => {
  await bridge.close();
  await engine.close();
  await model.close();
  await home.remove();
});

const background = (...scripts: Script[]): Step => ({
  tools: scripts.map((steps) => {
    const call = subagentCall(steps);
    return { ...call, args: { ...call.args, background: true } };
  }),
});
const tools = (task: Task) =>
  bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' && event.phase === 'finished' ? [event.tool] : []));

describe('a task with a subagent in the background', () => {
  it('ends with the turn that its end wakes, with all that both did', async () => {
    const child = [bash('sleep 4'), write('late.txt', 'late\n'), { text: 'child done' }];
    const task = await bridge.run([background(child), { text: 'launched' }]);
    expect(task, JSON.stringify(bridge.events(task))).toMatchObject({
      status: 'completed',
      result: { summary: 'woken: all is done', files_changed: [{ path: 'late.txt' }] },
    });
    expect(tools(task)).toEqual(['task', 'bash', 'write']);
    expect(await bridge.busy(task)).toEqual([]);
    // Two steps of the agent and its wake-up, three of the child.
    expect(task.usage.input_tokens).toBe(600);
  });

  it('ends when both of two are done', async () => {
    const quick = [write('quick.txt', 'x\n'), { text: 'quick' }];
    const slow = [bash('sleep 6'), write('slow.txt', 'x\n'), { text: 'slow' }];
    const task = await bridge.run([background(quick, slow), { text: 'launched' }]);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'woken: all is done' } });
    expect(task.result?.files_changed.map(({ path }) => path)).toEqual(['quick.txt', 'slow.txt']);
  });

  it('is woken by one that is done while it still works itself', async () => {
    const task = await bridge.run([
      background([{ text: 'quick' }]),
      bash('sleep 3'),
      { text: 'own work done' },
    ]);
    expect(task.status).toBe('completed');
    expect(await bridge.busy(task)).toEqual([]);
  });

  it('hears of one that failed', async () => {
    const task = await bridge.run([background([{ fail: { status: 401 } }]), { text: 'launched' }]);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'woken: it failed' } });
  });

  it.each(['cancel', 'timeout'] as const)('takes it along at its own end (%s)', async (how) => {
    const child = [bash('sleep 63'), write('never.txt', 'x\n')];
    const order = how === 'timeout' ? { timeoutMs: 6_000 } : {};
    const task = await bridge.start([background(child), { text: 'launched' }], order);
    await bridge.until(task, (event) => event.kind === 'tool' && event.tool === 'bash');
    await bridge.until(task, (event) => event.kind === 'output');
    await sleep(1_000);
    expect(bridge.now(task).status).toBe('running');
    if (how === 'cancel') await bridge.execution.cancel(task, 'agent', undefined);
    expect((await bridge.end(task)).status).toBe(how === 'cancel' ? 'cancelled' : 'timeout');
    await sleep(1_500);
    expect(await bridge.busy(task)).toEqual([]);
    const { data = [] } = await bridge.client.session.messages({
      sessionID: bridge.now(task).sessionId ?? '',
    });
    expect(data.filter(({ info }) => info.role === 'user')).toHaveLength(1);
  });

  it('is not held up by one that somebody else aborts', async () => {
    const task = await bridge.start([background([bash('sleep 64')]), { text: 'launched' }]);
    await bridge.until(task, (event) => event.kind === 'output');
    const { data: [child] = [] } = await bridge.client.session.children({
      sessionID: bridge.now(task).sessionId ?? '',
    });
    await vi.waitUntil(async () => (await bridge.busy(task)).length === 1, 60_000);
    await bridge.client.session.abort({ sessionID: child?.id ?? '' });
    expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'launched' } });
  });

  it('does not wait after a pause for one that was ended with it', async () => {
    const task = await bridge.start([background([bash('sleep 65')]), { text: 'launched' }]);
    await bridge.until(task, (event) => event.kind === 'output');
    await bridge.execution.pause(task, 'agent', undefined);
    expect(await bridge.busy(task)).toEqual([]);
    await bridge.execution.resume(task, 'agent', undefined);
    expect(await bridge.end(task)).toMatchObject({ status: 'completed' });
  });

  it('is ended by the watchdog where that hangs', async () => {
    await using strict = await join2({ turnLimits: { stallMs: 4_000 }, recovery: { policy: 'fail' } });
    const task = await strict.run([background([{ hang: 'headers' }]), { text: 'launched' }]);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'TURN_STALLED' } });
    expect(await strict.busy(task)).toEqual([]);
  });

  it('goes on after OpenCode was lost under it', async () => {
    const directory = join(bridge.workspaceDir, 'lost');
    await mkdir(directory, { recursive: true });
    const task = await bridge.start([background([slowly('bla ', 30_000)]), { text: 'launched' }], {
      directory,
    });
    await bridge.until(task, (event) => event.kind === 'output');
    await sleep(1_000);
    process.kill(engine.pid ?? 0, 'SIGKILL');
    const ended = await bridge.end(task);
    expect(ended, JSON.stringify(bridge.events(task))).toMatchObject({
      status: 'completed',
      result: { summary: expect.stringContaining('was restarted') },
    });
  });
});
