import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { isRunning, processesOf } from '../support/processes.ts';
import { bash, slowly } from '../support/steps.ts';

const GIT_IS_ASKED = { permission: { bash: { '*': 'allow', 'git *': 'ask' } } };
let bridge: Bridge;
let unforgiving: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ config: GIT_IS_ASKED });
  unforgiving = await startBridge({ config: GIT_IS_ASKED, recovery: { policy: 'fail' } });
});
afterAll(async () => {
  await bridge.close();
  await unforgiving.close();
});

const is = (kind: TaskEvent['kind']) => (event: TaskEvent) => event.kind === kind;
const isFinished = (event: TaskEvent) => event.kind === 'tool' && event.phase === 'finished';

async function kill({ engine }: Bridge, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const pid = engine?.pid;
  if (pid === undefined) throw new Error('no engine runs');
  process.kill(pid, signal);
  await vi.waitUntil(() => !isRunning(pid), { timeout: 20_000, interval: 20 });
}

interface Point {
  name: string;
  steps: Step[];
  /** Resolves when the task is where OpenCode is to be killed. */
  reached(on: Bridge, task: Task): Promise<unknown>;
}

const POINTS: Point[] = [
  {
    name: 'before the prompt',
    steps: [{ text: 'said after all' }],
    reached: (on, task) => on.until(task, is('attached')),
  },
  {
    name: 'while text streams',
    steps: [slowly('bla ', 30_000)],
    reached: (on, task) => on.untilAsked(task),
  },
  {
    name: 'during bash',
    steps: [bash('sleep 61'), { text: 'never said' }],
    reached: (on, task) => on.until(task, is('tool')),
  },
  {
    name: 'during a permission',
    steps: [bash('git status'), { text: 'never said' }],
    reached: (on, task) => on.until(task, is('request_opened')),
  },
  {
    name: 'between steps',
    steps: [bash('true'), { text: 'never said', startDelayMs: 30_000 }],
    reached: async (on, task) => {
      await on.until(task, isFinished);
      await on.untilAsked(task, 2);
    },
  },
];

describe('OpenCode is killed', () => {
  it.each(POINTS)('$name: the agent is told and goes on', async ({ steps, reached }) => {
    const task = await bridge.start(steps);
    await reached(bridge, task);
    await kill(bridge);
    const ended = await bridge.end(task);
    expect(ended, JSON.stringify(bridge.events(task), undefined, 1)).toMatchObject({ status: 'completed' });
    expect(ended.result?.summary).toMatch(
      /^(Understood: The program you run in was restarted|said after all$)/,
    );
    expect(ended.requests).toEqual([]);
    expect((await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 61'))).toEqual(
      [],
    );
  });

  it('after the last token: the task is completed with what was said', async () => {
    const task = await bridge.start([{ text: 'the last words' }]);
    await bridge.until(task, is('output'));
    await kill(bridge);
    expect(await bridge.end(task)).toMatchObject({ status: 'completed' });
  });

  it('with SIGTERM: no different', async () => {
    // A server that was killed so often before is started again later each time.
    await using rested = await startBridge({ config: GIT_IS_ASKED });
    const task = await rested.start([bash('sleep 61'), { text: 'never said' }]);
    await rested.until(task, is('tool'));
    await kill(rested, 'SIGTERM');
    const ended = await rested.end(task);
    expect(ended, JSON.stringify(rested.events(task), undefined, 1)).toMatchObject({
      status: 'completed',
      result: { summary: expect.stringContaining('was restarted') },
    });
  });

  it('before the prompt: with RECOVERY_POLICY=fail what was not begun is done, and what was begun fails', async () => {
    const task = await unforgiving.start([{ text: 'said after all' }]);
    await unforgiving.until(task, is('attached'));
    await kill(unforgiving);
    const { status, error, result } = await unforgiving.end(task);
    const told = status === 'completed' ? result?.summary : error?.code;
    expect(told).toMatch(/^(said after all|ENGINE_LOST|TURN_NEVER_STARTED)$/);
    expect(unforgiving.asked(task).length).toBeLessThanOrEqual(1);
  });

  it('after the last token: with RECOVERY_POLICY=fail the task is completed all the same', async () => {
    const task = await unforgiving.start([{ text: 'the last words' }]);
    await unforgiving.until(task, is('output'));
    await kill(unforgiving);
    expect(await unforgiving.end(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'the last words' },
    });
  });

  it.each(POINTS.slice(1))('$name: with RECOVERY_POLICY=fail the task fails and says why', async (point) => {
    const task = await unforgiving.start(point.steps);
    await point.reached(unforgiving, task);
    await kill(unforgiving);
    expect(await unforgiving.end(task)).toMatchObject({ status: 'failed', error: { code: 'ENGINE_LOST' } });
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
  await kill(bridge);
  await warned;
  expect(performance.now() - began).toBeLessThan(1_000);
  await bridge.execution.cancel(task, 'agent', undefined);
});
