import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { isRunning, processesOf } from '../support/processes.ts';
import { noSandbox } from '../support/sandbox.ts';
import { bash, slowly } from '../support/steps.ts';

const sandboxes = [
  ['in the sandbox', 'auto'],
  ['without it', 'off'],
] as const;
const SERVER = (port: number): string =>
  `node -e "require('http').createServer((_, r) => r.end('served')).listen(${port}, '127.0.0.1')"`;
/** What survives the end of its command: no terminal, no group, no signal of a hang-up. */
const inBackground = (command: string, ready = 'sleep 0.3') =>
  bash(`(setsid nohup ${command} > /dev/null 2>&1 &); ${ready}; echo started`);
const serving = (port: number) =>
  inBackground(SERVER(port), `until curl -s -o /dev/null http://127.0.0.1:${port}; do sleep 0.1; done`);

describe.each(sandboxes)('what the commands of a task have started, %s', (_, sandbox) => {
  let bridge: Bridge;
  let directory: string;

  beforeAll(async () => {
    bridge = await startBridge({ shells: { sandbox } });
    directory = join(bridge.workspaceDir, 'shared');
    await mkdir(directory, { recursive: true });
  });
  afterAll(() => bridge?.close());
  beforeEach((context) => context.skip(sandbox === 'auto' && noSandbox !== undefined, noSandbox));

  const sleeping = async (seconds: string) =>
    (await processesOf(bridge.home)).filter(({ command }) => command === `sleep ${seconds}`);
  const output = (task: Task) =>
    bridge
      .events(task)
      .flatMap((event) => (event.kind === 'tool' && event.phase === 'finished' ? [event.output] : []));
  /** A task that is at work, with a process that it started in the background. */
  const working = async (seconds: string, order = {}) => {
    const task = await bridge.start([inBackground(`sleep ${seconds}`), slowly('x', 60_000)], {
      directory,
      ...order,
    });
    await bridge.until(task, (event) => event.kind === 'tool' && event.phase === 'finished');
    await expect.poll(() => sleeping(seconds)).toHaveLength(1);
    return task;
  };

  it('is there for its next command, is told with its port, and ends with it', async () => {
    const port = await freePort();
    const steps = [serving(port), bash(`curl -s http://127.0.0.1:${port}`), { text: 'Done.' }];
    const task = await bridge.run(steps, { directory });
    expect(output(task)[1]).toContain('served');
    expect(task.result?.processes_left).toEqual([
      { command: expect.stringContaining('createServer'), since: expect.any(String), ports: [port] },
    ]);
    await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow();
  });

  it('is not told of where there is nothing', async () => {
    const task = await bridge.run([bash('echo done'), { text: 'Done.' }], { directory });
    expect(task.result).not.toHaveProperty('processes_left');
  });

  it('ends where the task is cancelled, and what others started goes on', async () => {
    const own = spawn('sleep', ['401'], { stdio: 'ignore' });
    try {
      const other = await working('402');
      const task = await working('403');
      expect(await bridge.execution.cancel(task, 'agent', undefined)).toMatchObject({ status: 'cancelled' });
      expect(await sleeping('403')).toEqual([]);
      expect(await sleeping('402')).toHaveLength(1);
      expect(isRunning(own.pid ?? 0)).toBe(true);
      await bridge.execution.cancel(other, 'agent', undefined);
      expect(await sleeping('402')).toEqual([]);
    } finally {
      own.kill('SIGKILL');
    }
  });

  it('ends with the time limit', async () => {
    const task = await bridge.end(await working('404', { timeoutMs: 4_000 }));
    expect(task.status).toBe('timeout');
    expect(await sleeping('404')).toEqual([]);
  });

  it('ends where the task fails', async () => {
    const steps = [inBackground('sleep 405'), { fail: { status: 401 } }];
    expect(await bridge.run(steps, { directory })).toMatchObject({ status: 'failed' });
    expect(await sleeping('405')).toEqual([]);
  });

  it('ends with the budget', async () => {
    const steps = [
      { ...inBackground('sleep 406'), usage: { input: 10, output: 10 } },
      { ...bash('echo again'), usage: { input: 1_000, output: 1_000 } },
      slowly('x', 60_000),
    ];
    const task = await bridge.run(steps, { directory, maxTokens: 500 });
    expect(task).toMatchObject({ status: 'failed', error: { code: 'BUDGET_EXCEEDED' } });
    expect(await sleeping('406')).toEqual([]);
  });

  it('is killed where it does not end when asked to', async () => {
    const task = await bridge.start(
      [inBackground(`sh -c 'trap "" TERM; while :; do sleep 407; done'`), slowly('x', 60_000)],
      { directory },
    );
    await bridge.until(task, (event) => event.kind === 'tool' && event.phase === 'finished');
    const began = performance.now();
    await bridge.execution.cancel(task, 'agent', undefined);
    expect(performance.now() - began, 'not as long as the command').toBeLessThan(20_000);
    expect(await sleeping('407')).toEqual([]);
  });

  it('is told in bounds where there is very much of it, and ends all the same', async () => {
    const many = 'for i in $(seq 300); do setsid sleep 408 > /dev/null 2>&1 & done; echo started';
    const task = await bridge.run([bash(many), { text: 'Done.' }], { directory });
    expect(task.result?.processes_left).toHaveLength(20);
    expect(await sleeping('408')).toEqual([]);
  });
});

describe.each(sandboxes)('where it is to be kept, %s', (_, sandbox) => {
  it('goes on for tasks that continue, and ends with one that is cancelled, and with the bridge', async (context) => {
    context.skip(sandbox === 'auto' && noSandbox !== undefined, noSandbox);
    const ports = [await freePort(), await freePort()];
    const bridge = await startBridge({ shells: { sandbox, leftovers: 'keep' } });
    try {
      const first = await bridge.run([serving(ports[0] ?? 0), { text: 'Done.' }]);
      expect(first.result?.processes_left).toMatchObject([{ ports: [ports[0]] }]);
      const answer = bash(`curl -s http://127.0.0.1:${ports[0]}`);
      const second = await bridge.run([answer, { text: 'Done.' }], { continueTaskId: first.id });
      expect(bridge.events(second)).toContainEqual(
        expect.objectContaining({
          kind: 'tool',
          phase: 'finished',
          output: expect.stringContaining('served'),
        }),
      );
      expect(second.result?.processes_left).toMatchObject([{ ports: [ports[0]] }]);
      const third = await bridge.start([bash('sleep 409')], { continueTaskId: second.id });
      await bridge.until(third, ({ kind }) => kind === 'tool');
      await bridge.execution.cancel(third, 'agent', undefined);
      await expect(fetch(`http://127.0.0.1:${ports[0]}`)).rejects.toThrow();
      await bridge.run([serving(ports[1] ?? 0), { text: 'Done.' }]);
      expect(await (await fetch(`http://127.0.0.1:${ports[1]}`)).text()).toBe('served');
    } finally {
      await bridge.close();
    }
    await expect(fetch(`http://127.0.0.1:${ports[1]}`)).rejects.toThrow();
  });
});
