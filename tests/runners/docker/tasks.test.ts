import { chown, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { textOf } from '../../../src/cli/demo/scripted-model/chat.ts';
import { scriptText } from '../../../src/cli/demo/scripted-model/script.ts';
import { bridgeIdOf } from '../../../src/runners/docker/bridge-id.ts';
import { containerResources } from '../../../src/runners/docker/container-resources.ts';
import { DockerClient } from '../../../src/runners/docker/docker-client.ts';
import type { TaskEvent } from '../../../src/tasks/events.ts';
import type { Task } from '../../../src/tasks/task.ts';
import {
  containerOf,
  containersOf,
  type DockerBridge,
  engine,
  startScriptedDockerBridge,
} from '../../support/docker.ts';
import { bash, slowly } from '../../support/steps.ts';
import { tempDir } from '../../support/temp.ts';

let bridge: DockerBridge;
beforeAll(async () => {
  if (engine.absent === undefined) bridge = await startScriptedDockerBridge({ roots: [tmpdir()] });
});
afterAll(() => bridge?.close());
beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

const is = (kind: TaskEvent['kind']) => (event: TaskEvent) => event.kind === kind;
const codes = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'warning' ? [event.code] : []));
const eventsOf = (task: Task) => JSON.stringify(bridge.events(task), undefined, 1);
const gone = (task: Task) =>
  vi.waitUntil(async () => (await containersOf(task)).length === 0, { timeout: 60_000 });
const outputOf = (task: Task): string =>
  bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' ? [event.output] : []))
    .join('');

/** Resolves when the file exists and is not empty. */
const appears = (task: Task, name: string) =>
  vi.waitUntil(() => readFile(join(task.directory, name), 'utf8').catch(() => ''), { timeout: 120_000 });
const TICKS = bash('while true; do echo x >> ticks; sleep 0.05; done');

describe('a task in a container', () => {
  it('reports events while they happen', async () => {
    const task = await bridge.start([bash('echo one'), slowly('bla ', 20_000)]);
    await bridge.until(task, is('tool'));
    expect((await containersOf(task)).map(({ State }) => State)).toEqual(['running']);
    await bridge.execution.cancel(task, 'agent', undefined);
  });

  it('is not root, has no capability, and can only write where it should', async () => {
    const look =
      'id -u; grep -E "CapEff|NoNewPrivs" /proc/self/status; touch /usr/x /etc/x 2>&1; touch /tmp/x "$HOME/x" x && echo fine';
    const task = await bridge.run([bash(look), { text: 'Done.' }]);
    const output = outputOf(task);
    expect(output).toMatch(/^1000\n/);
    expect(output).toMatch(/CapEff:\t0{16}\nNoNewPrivs:\t1/);
    expect(output.match(/Read-only file system/g)).toHaveLength(2);
    expect(output).toMatch(/fine\n$/);
  });

  it('works as the owner of a folder that the caller names', async () => {
    await using folder = await tempDir('owned-');
    await chown(folder.path, 1234, 1235);
    const task = await bridge.run([bash('id -u; id -g; echo x > made')], { directory: folder.path });
    expect(outputOf(task)).toBe('1234\n1235\n');
    expect(await stat(join(folder.path, 'made'))).toMatchObject({ uid: 1234, gid: 1235 });
    expect(codes(task)).toEqual([]);
  });

  it("works as root without capabilities in root's own folder, with a warning", async () => {
    await using folder = await tempDir('roots-');
    const task = await bridge.run([bash('id -u; chown 5 . || echo refused')], { directory: folder.path });
    expect(outputOf(task)).toMatch(/^0\n[\s\S]*refused/);
    expect(codes(task)).toEqual(['CONTAINER_AS_ROOT']);
  });
});

describe('a task is ended', () => {
  it('by cancel: its processes are gone, also where it is paused', async () => {
    const [one, other] = await Promise.all([bridge.start([TICKS]), bridge.start([TICKS])]);
    await Promise.all([appears(one, 'ticks'), appears(other, 'ticks')]);
    await bridge.execution.pause(other, 'agent', undefined);
    const cancelled = [one, other].map((task) => bridge.execution.cancel(task, 'agent', 'enough'));
    expect((await Promise.all(cancelled)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    await Promise.all([gone(one), gone(other)]);
    expect(codes(one)).toEqual([]);
  });

  it('by its time limit, and its container with it', async () => {
    const task = await bridge.start([TICKS], { timeoutMs: 3_000 });
    expect(await bridge.end(task)).toMatchObject({ status: 'timeout' });
    await gone(task);
  });

  it('by cancel before its container has started', async () => {
    const task = await bridge.start([TICKS]);
    await bridge.until(task, is('started'));
    expect(await bridge.execution.cancel(task, 'agent', undefined)).toMatchObject({ status: 'cancelled' });
    await gone(task);
  });
});

describe('pause', () => {
  it('freezes what runs, and resume continues it in place', async () => {
    const steps = [bash('for i in $(seq 100); do echo $i >> ticks; sleep 0.05; done'), { text: 'Counted.' }];
    const task = await bridge.start(steps);
    await appears(task, 'ticks');
    const resources = () => containerResources(new DockerClient(engine.host), bridgeIdOf(bridge.dataDir));
    expect(await resources()).toEqual({
      memoryBytes: expect.toSatisfy((bytes: number) => bytes > 1_000_000),
      containers: { running: 1, paused: 0 },
    });
    await bridge.execution.pause(task, 'agent', undefined);
    expect((await resources()).containers).toEqual({ running: 0, paused: 1 });
    const { State } = await (await containerOf(task)).inspect();
    expect(State.Paused).toBe(true);
    const before = await appears(task, 'ticks');
    await bridge.execution.message(task, 'agent', 'Also say this.', 'queue');
    expect(await appears(task, 'ticks')).toBe(before);
    await bridge.execution.resume(task, 'agent', undefined);
    expect(await bridge.end(task), eventsOf(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'Understood: Also say this.' },
    });
    expect((await appears(task, 'ticks')).trim().split('\n')).toHaveLength(100);
  });
});

it('cannot be interrupted by a message, which is refused', async () => {
  const task = await bridge.start([TICKS]);
  await appears(task, 'ticks');
  await expect(bridge.execution.message(task, 'human', 'Stop!', 'interrupt')).rejects.toMatchObject({
    code: 'UNSUPPORTED',
  });
  await bridge.execution.cancel(task, 'agent', undefined);
});

/** The messages of the last model request that contains this text. */
const conversation = (text: string): string[] => {
  const has = bridge.model.requests.filter(({ messages }) =>
    messages.some((each) => textOf(each).includes(text)),
  );
  return (has.at(-1)?.messages ?? []).filter(({ role }) => role !== 'system').map(textOf);
};

it('a message is the next turn of the session, after the present one', async () => {
  const task = await bridge.start([bash('sleep 1'), { text: 'First.' }]);
  await bridge.until(task, is('attached'));
  await bridge.execution.message(task, 'human', 'And the second?', 'queue');
  expect(await bridge.end(task), eventsOf(task)).toMatchObject({
    status: 'completed',
    result: { summary: 'Understood: And the second?' },
  });
  expect(conversation('And the second?')).toContain('First.');
  expect(task.usage.input_tokens).toBe(0);
  expect(bridge.now(task).usage.input_tokens).toBe(300);
});

it('refused credentials fail the task, with the exit code of OpenCode', async () => {
  const task = await bridge.run([{ fail: { status: 401 } }]);
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'PROVIDER_AUTH' },
    result: { exit_code: 1 },
  });
});

describe('a container is lost', () => {
  it('a container that vanishes: the agent is informed and continues', async () => {
    const task = await bridge.start([TICKS]);
    await appears(task, 'ticks');
    await (await containerOf(task)).remove({ force: true });
    const ended = await bridge.end(task);
    expect(codes(task)).toContain('ENGINE_LOST');
    expect(ended.result?.summary).toMatch(/^Understood: The program you run in was restarted/);
  });

  it('a container that is lost before its first output: the agent gets the task again', async () => {
    const task = await bridge.start([{ text: 'Said after all.' }], {
      description: `Find the crocus. ${scriptText([{ text: 'Said after all.' }])}`,
    });
    await bridge.until(task, is('attached'));
    await vi.waitUntil(() => containerOf(task).catch(() => false), { timeout: 60_000 });
    await (await containerOf(task)).remove({ force: true });
    expect(await bridge.end(task), eventsOf(task)).toMatchObject({ status: 'completed' });
    expect(conversation('Find the crocus').join()).toContain('was restarted');
  });
});

describe('with other settings', () => {
  it('RUNNER_MEMORY_LIMIT: a container that exceeds it is killed, and the task says why', async () => {
    await using small = await startScriptedDockerBridge({
      container: { memoryBytes: 350_000_000 },
      recovery: { policy: 'fail' },
    });
    const hog = 'exec node -e "const a=[];for(;;)a.push(Buffer.alloc(10_000_000,1))"';
    const task = await small.run([bash(hog), { text: 'Went on.' }]);
    const warnings = small.events(task).flatMap((event) => (event.kind === 'warning' ? [event.code] : []));
    expect([task.error?.code, ...warnings], JSON.stringify(small.events(task))).toContain('OUT_OF_MEMORY');
  });

  it('a missing RUNNER_IMAGE: the task fails and says how to build it', async () => {
    await using none = await startScriptedDockerBridge({ container: { image: 'nobody/has:this' } });
    expect(none.runner.health()).toMatchObject([{ status: 'down' }]);
    const task = await none.run([{ text: 'no' }]);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'ENGINE_NOT_FOUND' } });
    expect(task.error?.next).toContain('docker build -t nobody/has:this');
  });

  it('an image without opencode: the task fails and says so', async () => {
    await using bare = await startScriptedDockerBridge({ container: { image: 'letta-test-base:2' } });
    const task = await bare.run([{ text: 'no' }]);
    expect(task).toMatchObject({ status: 'failed', error: { code: 'ENGINE_UNAVAILABLE' } });
    expect(task.error?.message).toMatch(/opencode.*not found/);
  });
});
