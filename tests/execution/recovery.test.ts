import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { isRunning, processesOf } from '../support/processes.ts';
import { bash, slowly } from '../support/steps.ts';

/** Two bridges on one OpenCode, so that a kill hits the tasks of both. */
let bridge: Bridge;
let unforgiving: Bridge;

beforeAll(async () => {
  // Long enough that every task still is where it is to be hit when the last of them gets there.
  const patient = { limits: { defaultTimeoutMs: 180_000 }, requests: { timeoutMs: 180_000 } };
  bridge = await startBridge({
    ...patient,
    config: { permission: { bash: { '*': 'allow', 'git *': 'ask' } } },
  });
  unforgiving = await startBridge({ ...patient, on: bridge, recovery: { policy: 'fail' } });
});
afterAll(async () => {
  await unforgiving.close();
  await bridge.close();
});

const is = (kind: TaskEvent['kind']) => (event: TaskEvent) => event.kind === kind;
const isFinished = (event: TaskEvent) => event.kind === 'tool' && event.phase === 'finished';

async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const pid = bridge.engine?.pid;
  if (pid === undefined) throw new Error('no engine runs');
  process.kill(pid, signal);
  await vi.waitUntil(() => !isRunning(pid), { timeout: 60_000, interval: 20 });
}

interface Point {
  name: string;
  steps: Step[];
  /** Resolves when the task is where OpenCode is to be killed. */
  reached(on: Bridge, task: Task): Promise<unknown>;
}

const BEFORE_THE_PROMPT: Point = {
  name: 'before the prompt',
  steps: [{ text: 'said after all' }],
  reached: (on, task) => on.until(task, is('attached')),
};
const POINTS: Point[] = [
  BEFORE_THE_PROMPT,
  {
    name: 'while text streams',
    steps: [slowly('bla ', 120_000)],
    reached: (on, task) => on.untilAsked(task),
  },
  {
    name: 'during bash',
    steps: [bash('sleep 119'), { text: 'never said' }],
    reached: (on, task) => on.until(task, is('tool')),
  },
  {
    name: 'during a permission',
    steps: [bash('git status'), { text: 'never said' }],
    reached: (on, task) => on.until(task, is('request_opened')),
  },
  {
    name: 'between steps',
    steps: [bash('true'), { text: 'never said', startDelayMs: 120_000 }],
    reached: async (on, task) => {
      await on.until(task, isFinished);
      await on.untilAsked(task, 2);
    },
  },
];

describe('OpenCode is killed', () => {
  const hit = new Map<string, Task>();
  const taskOf = (on: Bridge, { name }: Point): Task => {
    const task = hit.get(`${on === bridge ? 'continues' : 'fails'} ${name}`);
    if (!task) throw new Error(`no task ${name}`);
    return task;
  };
  /** Starts a task for each of the points on each bridge, and waits until all are there. */
  const reach = (points: Point[], bridges: Bridge[]) =>
    Promise.all(
      bridges.flatMap((on) =>
        points.map(async ({ name, steps, reached }) => {
          const task = await on.start(steps);
          hit.set(`${on === bridge ? 'continues' : 'fails'} ${name}`, task);
          await reached(on, task);
        }),
      ),
    );
  beforeAll(async () => {
    await reach(POINTS.slice(1), [bridge, unforgiving]);
    // It does not stay where it is, so the kill follows at once.
    await reach([BEFORE_THE_PROMPT], [bridge]);
    await kill();
  });

  it.each(POINTS)('$name: the agent is told and goes on', async (point) => {
    const task = taskOf(bridge, point);
    const ended = await bridge.end(task);
    expect(ended, JSON.stringify(bridge.events(task), undefined, 1)).toMatchObject({ status: 'completed' });
    expect(ended.result?.summary).toMatch(
      /^(Understood: The program you run in was restarted|said after all$)/,
    );
    expect(ended.requests).toEqual([]);
    expect((await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 119'))).toEqual(
      [],
    );
  });

  it.each(POINTS.slice(1))('$name: with RECOVERY_POLICY=fail the task fails and says why', async (point) => {
    const task = taskOf(unforgiving, point);
    expect(await unforgiving.end(task)).toMatchObject({ status: 'failed', error: { code: 'ENGINE_LOST' } });
  });

  it('after the last token: the task is completed with what was said', async () => {
    const task = await bridge.start([{ text: 'the last words' }]);
    await bridge.until(task, is('output'));
    await kill();
    expect(await bridge.end(task)).toMatchObject({ status: 'completed' });
  });

  it('with SIGTERM: no different', async () => {
    const task = await bridge.start([bash('sleep 119'), { text: 'never said' }]);
    await bridge.until(task, is('tool'));
    await kill('SIGTERM');
    const ended = await bridge.end(task);
    expect(ended, JSON.stringify(bridge.events(task), undefined, 1)).toMatchObject({
      status: 'completed',
      result: { summary: expect.stringContaining('was restarted') },
    });
  });

  it('after the last token: with RECOVERY_POLICY=fail the task is completed all the same', async () => {
    const task = await unforgiving.start([{ text: 'the last words' }]);
    await unforgiving.until(task, is('output'));
    await kill();
    expect(await unforgiving.end(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'the last words' },
    });
  });

  it('before the prompt: with RECOVERY_POLICY=fail what was not begun is done, and what was begun fails', async () => {
    await reach([BEFORE_THE_PROMPT], [unforgiving]);
    await kill();
    const task = taskOf(unforgiving, BEFORE_THE_PROMPT);
    const { status, error, result } = await unforgiving.end(task);
    const told = status === 'completed' ? result?.summary : error?.code;
    expect(told).toMatch(/^(said after all|ENGINE_LOST|TURN_NEVER_STARTED)$/);
    expect(unforgiving.asked(task).length).toBeLessThanOrEqual(1);
  });
});

it('says at once that OpenCode cannot be reached', async () => {
  const task = await bridge.start([slowly('bla ', 30_000)]);
  await bridge.untilAsked(task);
  const began = performance.now();
  const warned = bridge.until(
    task,
    (event) => event.kind === 'warning' && event.code === 'ENGINE_UNREACHABLE',
  );
  await kill();
  await warned;
  expect(performance.now() - began, 'not only when the health is looked at again').toBeLessThan(4_000);
  await bridge.execution.cancel(task, 'agent', undefined);
});
