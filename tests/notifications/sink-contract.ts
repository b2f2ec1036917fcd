import { describe, expect, it } from 'vitest';
import type { Sink } from '../../src/notifications/sink.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { Delivering, type SinkParts, until } from './delivering.ts';

/** `refuse`: nothing is done. `lose answer`: it is done, but nobody hears of it. `error`: HTTP 503. */
export type Trouble = 'refuse' | 'lose answer' | 'error' | 'hang';

/** Where a sink leads to, as its contract sees it. */
export interface RemoteSystem {
  /** A sink as a new process makes it. */
  sink(parts: SinkParts): Sink;
  /** Someone whose tasks this sink tells of; another one each time. */
  agent(): string;
  /** What becomes of calls from now on; of calls about this agent or task alone, if one is given. */
  trouble(kind: Trouble | undefined, about?: { agentId: string; taskId: string }): void;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** The statuses of the task that were to be seen, one after the other, and how often its end was told. */
  seen(agentId: string, taskId: string): Promise<{ statuses: string[]; ends: number }>;
  [Symbol.asyncDispose](): Promise<void>;
}

const STARTED: TaskEventBody = { kind: 'started' };
const PAUSED: TaskEventBody = { kind: 'paused' };
const RESUMED: TaskEventBody = { kind: 'resumed' };
const COMPLETED: TaskEventBody = {
  kind: 'completed',
  result: { summary: 'Done.', files_changed: [], files_changed_total: 0, finish: 'stop' },
};
const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `${n}`,
});
const LIFE = ['queued', 'running', 'paused', 'running', 'completed'];

/** What holds for every sink, shown through the real delivery and against its real remote system or one that speaks the same. */
export function sinkContract(name: string, startRemote: () => Promise<RemoteSystem>): void {
  describe(`${name}: the contract of a sink`, () => {
    it('tells what becomes of a task in order, and its end once', async () => {
      await using far = await startRemote();
      await using bridge = await Delivering.to((parts) => far.sink(parts));
      const agent = far.agent();
      const seen = () => far.seen(agent, 'task_1');
      bridge.create('task_1', agent);
      for (const [index, event] of [STARTED, PAUSED, RESUMED, COMPLETED].entries()) {
        await until(async () => (await seen()).statuses.length === index + 1);
        bridge.log.append('task_1', event);
      }
      await bridge.settled('task_1');
      expect(await seen()).toEqual({ statuses: LIFE, ends: 1 });
      expect(bridge.delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date' });
    });

    it.each<Trouble>(['refuse', 'lose answer', 'error'])(
      'tells everything once although it had to %s for a while, at the start and at the end',
      async (trouble) => {
        await using far = await startRemote();
        await using bridge = await Delivering.to((parts) => far.sink(parts));
        const agent = far.agent();
        const last = async () => (await far.seen(agent, 'task_1')).statuses.at(-1);
        const degraded = () => bridge.delivery.health().status === 'degraded';
        far.trouble(trouble);
        bridge.create('task_1', agent, STARTED);
        await until(degraded);
        far.trouble(undefined);
        await until(async () => (await last()) === 'running');
        await until(() => !degraded());
        far.trouble(trouble);
        bridge.log.append('task_1', output(1), COMPLETED);
        await until(degraded);
        far.trouble(undefined);
        await bridge.settled('task_1');
        expect(await last()).toBe('completed');
        expect((await far.seen(agent, 'task_1')).ends).toBe(1);
      },
    );

    it('tells everything once although both sides are stopped in the middle', async () => {
      await using far = await startRemote();
      await using bridge = await Delivering.to((parts) => far.sink(parts));
      const agent = far.agent();
      bridge.create('task_1', agent, STARTED);
      await until(async () => (await far.seen(agent, 'task_1')).statuses.at(-1) === 'running');
      await far.stop();
      bridge.log.append('task_1', output(1), PAUSED);
      await until(() => bridge.delivery.health().status === 'degraded');
      await bridge.restart();
      bridge.log.append('task_1', RESUMED, COMPLETED);
      await bridge.restart();
      await far.start();
      await bridge.settled('task_1');
      await bridge.restart();
      const { statuses, ends } = await far.seen(agent, 'task_1');
      expect(statuses.at(-1)).toBe('completed');
      expect(ends).toBe(1);
    });

    it('tells of other tasks while calls for one agent hang', async () => {
      await using far = await startRemote();
      await using bridge = await Delivering.to((parts) => far.sink(parts));
      const [stuck, other] = [far.agent(), far.agent()];
      far.trouble('hang', { agentId: stuck, taskId: 'task_1' });
      bridge.create('task_1', stuck, STARTED, COMPLETED);
      bridge.create('task_2', other, STARTED, COMPLETED);
      await bridge.settled('task_2');
      expect((await far.seen(stuck, 'task_1')).ends).toBe(0);
      expect((await far.seen(other, 'task_2')).ends).toBe(1);
    });

    it('gives up by age, and goes on with what comes after', async () => {
      await using far = await startRemote();
      await using bridge = await Delivering.to((parts) => far.sink(parts), 60_000);
      const agent = far.agent();
      await far.stop();
      bridge.create('task_1', agent, STARTED, COMPLETED);
      await until(() => /given up/.test(bridge.delivery.health().detail));
      await far.start();
      await bridge.settled('task_1');
      expect((await far.seen(agent, 'task_1')).ends).toBe(0);
      bridge.create('task_2', agent, STARTED, COMPLETED);
      await bridge.settled('task_2');
      expect((await far.seen(agent, 'task_2')).ends).toBe(1);
    });
  });
}
