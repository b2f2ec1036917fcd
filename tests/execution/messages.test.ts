import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly, write } from '../support/steps.ts';

let bridge: Bridge;
let directory: string;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine(), limits: { maxConcurrent: 2 } });
  directory = join(bridge.workspaceDir, 'warm');
  await mkdir(directory, { recursive: true });
  await bridge.run([{ text: 'warm' }], { directory });
});
afterAll(() => bridge.close());

const isTool = (event: TaskEvent) => event.kind === 'tool';
const isPaused = (event: TaskEvent) => event.kind === 'paused';

/** What the model was told last, as text. */
const lastWords = (task: Task) =>
  JSON.stringify(
    bridge
      .asked(task)
      .at(-1)
      ?.messages.findLast(({ role }) => role === 'user')?.content,
  );

describe('a message', () => {
  it('is said after the turn, in order, with those that wait too', async () => {
    const task = await bridge.start([bash('sleep 1'), { text: 'first turn' }], { directory });
    await bridge.until(task, isTool);
    await bridge.execution.message(task, 'agent', 'and say green', 'queue');
    await bridge.execution.message(task, 'human', 'and say blue', 'queue');
    const ended = await bridge.end(task);
    expect(ended).toMatchObject({
      status: 'completed',
      result: { summary: 'Understood: and say green\n\nand say blue' },
    });
    const events = bridge.events(task);
    const seqs = events.flatMap((event) => (event.kind === 'message' ? [event.seq] : []));
    expect(events).toContainEqual(
      expect.objectContaining({ kind: 'message_sent', message_seqs: seqs, prompt_id: expect.any(String) }),
    );
    const said = events.findIndex((event) => event.kind === 'output' && event.text === 'first turn');
    expect(events.findIndex(({ kind }) => kind === 'message_sent')).toBeGreaterThan(said);
  });

  it('interrupts', async () => {
    const task = await bridge.start([bash('sleep 20'), { text: 'never said' }], { directory });
    await bridge.until(task, isTool);
    const began = performance.now();
    await bridge.execution.message(task, 'agent', 'stop that, say blue', 'interrupt');
    const ended = await bridge.end(task);
    expect(performance.now() - began, 'not as long as the command').toBeLessThan(15_000);
    expect(ended).toMatchObject({
      status: 'completed',
      result: { summary: 'Understood: stop that, say blue' },
    });
  });

  it('interrupts text', async () => {
    const task = await bridge.start([slowly('bla ', 20_000)], { directory });
    await bridge.untilAsked(task);
    await bridge.execution.message(task, 'agent', 'enough', 'interrupt');
    expect(await bridge.end(task)).toMatchObject({ result: { summary: 'Understood: enough' } });
  });

  it('interrupts again and again, and nothing is lost', async () => {
    const task = await bridge.start([bash('sleep 20')], { directory });
    await bridge.until(task, isTool);
    const texts = ['one', 'two', 'three', 'four', 'five'];
    for (const text of texts) await bridge.execution.message(task, 'agent', `say ${text}`, 'interrupt');
    const ended = await bridge.end(task);
    expect(ended).toMatchObject({ status: 'completed' });
    const users = bridge
      .asked(task)
      .at(-1)
      ?.messages.filter(({ role }) => role === 'user');
    for (const text of texts) expect(JSON.stringify(users)).toContain(`say ${text}`);
  });

  it('interrupts all at once, and nothing is lost', async () => {
    const task = await bridge.start([bash('sleep 20')], { directory });
    await bridge.until(task, isTool);
    const texts = ['one', 'two', 'three', 'four', 'five'];
    await Promise.all(
      texts.map((text) => bridge.execution.message(task, 'agent', `say ${text}`, 'interrupt')),
    );
    expect(await bridge.end(task)).toMatchObject({ status: 'completed' });
    const users = bridge
      .asked(task)
      .at(-1)
      ?.messages.filter(({ role }) => role === 'user');
    for (const text of texts) expect(JSON.stringify(users)).toContain(`say ${text}`);
  });

  it('at the very start goes with the description, which is not lost', async () => {
    for (const delivery of ['queue', 'interrupt'] as const) {
      const task = await bridge.start([], { description: 'Do the work' });
      await bridge.execution.message(task, 'agent', 'and be kind', delivery);
      expect(await bridge.end(task)).toMatchObject({ status: 'completed' });
      const users = JSON.stringify(bridge.asked(task).at(-1)?.messages);
      expect(users).toContain('Do the work');
      expect(users).toContain('and be kind');
    }
  });

  it('at the end of the turn is either delivered or refused, never swallowed', async () => {
    let refused = 0;
    // A turn takes about 100 ms: the delays sweep over its end, to both sides.
    for (let delay = 0; delay < 150; delay += 10) {
      const task = await bridge.start([{ text: 'done' }], { directory });
      const delivery = delay % 20 === 0 ? 'queue' : 'interrupt';
      await bridge.until(task, ({ kind }) => kind === 'attached');
      await sleep(delay);
      const text = `late ${delay}`;
      const said = await bridge.execution.message(task, 'agent', text, delivery).then(
        () => true,
        (thrown) => {
          expect(thrown).toMatchObject({
            code: 'INVALID_STATE',
            reason: { kind: 'task_ended', taskId: task.id },
          });
          return false;
        },
      );
      const ended = await bridge.end(task);
      expect(ended.status).toBe('completed');
      if (said) expect(ended.result?.summary).toBe(`Understood: ${text}`);
      else refused += 1;
    }
    expect(refused).toBeLessThan(15);
  });

  it('to a task that waits in the queue is refused with the way out', async () => {
    const running = [await bridge.start([bash('sleep 20')]), await bridge.start([bash('sleep 20')])];
    const waiting = await bridge.start([{ text: 'x' }]);
    await expect(bridge.execution.message(waiting, 'agent', 'hi', 'queue')).rejects.toMatchObject({
      code: 'INVALID_STATE',
      message: expect.stringContaining('is still queued'),
      reason: { kind: 'task_queued', taskId: waiting.id },
    });
    // First the one that would begin as soon as another ends.
    for (const task of [waiting, ...running]) await bridge.execution.cancel(task, 'agent', undefined);
  });

  it('that fails to arrive, because the turn fails, is said to be undelivered', async () => {
    const task = await bridge.start([bash('sleep 1'), { fail: { status: 401 } }], { directory });
    await bridge.until(task, isTool);
    await bridge.execution.message(task, 'agent', 'too late', 'queue');
    expect((await bridge.end(task)).status).toBe('failed');
    expect(bridge.events(task)).toContainEqual(
      expect.objectContaining({ kind: 'warning', code: 'MESSAGE_UNDELIVERED' }),
    );
  });

  it('that is empty is refused', async () => {
    const task = await bridge.run([{ text: 'x' }], { directory });
    await expect(bridge.execution.message(task, 'agent', ' \n', 'queue')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

describe('a finished task', () => {
  it('is continued: same session, same directory, a new task with its own changes', async () => {
    const first = await bridge.run([write('a.txt', 'one\n'), { text: 'first' }]);
    const late = bridge.execution.message(first, 'agent', 'more', 'queue');
    await expect(late).rejects.toMatchObject({
      code: 'INVALID_STATE',
      reason: { kind: 'task_ended', taskId: first.id },
    });
    await writeFile(join(first.directory, 'between.txt'), 'somebody else\n');
    const second = await bridge.run([bash('echo two >> a.txt'), { text: 'second' }], {
      continueTaskId: first.id,
    });
    expect(second).toMatchObject({
      status: 'completed',
      continues: first.id,
      sessionId: first.sessionId,
      directory: first.directory,
      result: {
        summary: 'second',
        files_changed: [{ path: 'a.txt', change: 'modified', additions: 1, deletions: 0 }],
      },
      usage: { input_tokens: 200 },
    });
    expect(second.id).not.toBe(first.id);
    expect(JSON.stringify(bridge.asked(second).at(-1)?.messages)).toContain('a.txt');
    expect(bridge.now(first).result?.files_changed).toMatchObject([{ path: 'a.txt', change: 'added' }]);
  });

  it('is continued after a cancel, a time-out and a failure', async () => {
    const cancelled = await bridge.start([bash('sleep 20')], { directory });
    await bridge.until(cancelled, isTool);
    await bridge.execution.cancel(cancelled, 'agent', undefined);
    const late = await bridge.run([bash('sleep 20')], { directory, timeoutMs: 1_000 });
    const failed = await bridge.run([{ fail: { status: 401 } }], { directory });
    expect([late.status, failed.status]).toEqual(['timeout', 'failed']);
    for (const task of [cancelled, late, failed]) {
      const next = await bridge.run([{ text: 'went on' }], { continueTaskId: task.id });
      expect(next).toMatchObject({ status: 'completed', result: { summary: 'went on' } });
    }
  });

  it('is continued once at a time', async () => {
    const first = await bridge.run([{ text: 'x' }], { directory });
    const orders = [1, 2].map((n) =>
      bridge.start([bash('sleep 1'), { text: `${n}` }], { continueTaskId: first.id }),
    );
    const [won, lost] = await Promise.allSettled(orders);
    expect(won?.status).toBe('fulfilled');
    expect(lost).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_STATE' } });
    if (won?.status === 'fulfilled')
      expect(await bridge.end(won.value)).toMatchObject({ status: 'completed' });
  });

  it('of somebody else is not there to be continued', async () => {
    const first = await bridge.run([{ text: 'x' }], { directory });
    const foreign = bridge.start([], { continueTaskId: first.id, agentId: 'other' });
    await expect(foreign).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
  });
});

describe('pause', () => {
  it('holds the task, its clock and nobody else; resume lets it go on', async () => {
    const task = await bridge.start([bash('sleep 20'), { text: 'never said' }], {
      directory,
      timeoutMs: 4_000,
    });
    await bridge.until(task, isTool);
    expect(await bridge.execution.pause(task, 'agent', 'lunch')).toMatchObject({ status: 'paused' });
    expect(await bridge.busy(task)).toEqual([]);
    expect((await bridge.execution.pause(task, 'agent', undefined)).status).toBe('paused');
    // Two others run meanwhile, longer than the limit of the paused one.
    const others = [bash('sleep 3'), bash('sleep 3')].map((step) => bridge.run([step, { text: 'ok' }]));
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(['completed', 'completed']);
    expect((await bridge.execution.resume(task, 'agent', undefined)).status).toBe('running');
    const ended = await bridge.end(task);
    expect(ended).toMatchObject({
      status: 'completed',
      result: { summary: expect.stringContaining('You were interrupted') },
    });
    expect((ended.endedAt ?? 0) - (ended.startedAt ?? 0)).toBeGreaterThan(3_000);
    const kinds = bridge.events(task).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'paused' || kind === 'resumed')).toEqual(['paused', 'resumed']);
  });

  it('keeps messages until the task goes on', async () => {
    for (const delivery of ['queue', 'interrupt'] as const) {
      const task = await bridge.start([bash('sleep 20')], { directory });
      await bridge.until(task, isTool);
      await bridge.execution.pause(task, 'agent', undefined);
      const message = await bridge.execution.message(task, 'agent', 'say red', delivery);
      expect(message.status).toBe('paused');
      await bridge.execution.resume(task, 'agent', undefined);
      expect(await bridge.end(task)).toMatchObject({ result: { summary: 'Understood: say red' } });
    }
  });

  it('and resume at once leave the task running, with its limit', async () => {
    const task = await bridge.start([bash('sleep 20')], { directory, timeoutMs: 6_000 });
    await bridge.until(task, isTool);
    const steps = `say it ${scriptText([bash('sleep 21'), { text: 'never' }])}`;
    await Promise.all([
      bridge.execution.pause(task, 'agent', undefined),
      bridge.execution.resume(task, 'agent', undefined),
      bridge.execution.message(task, 'agent', steps, 'queue'),
    ]);
    const events = () => bridge.events(task).map(({ kind }) => kind);
    await bridge.until(task, ({ kind }) => kind === 'message_sent');
    expect(events().filter((kind) => kind === 'paused' || kind === 'resumed')).toEqual(['paused', 'resumed']);
    expect(bridge.now(task).status).toBe('running');
    const ended = await bridge.end(task);
    expect(ended.status).toBe('timeout');
    expect((ended.endedAt ?? 0) - (ended.startedAt ?? 0)).toBeGreaterThanOrEqual(6_000);
  });

  it('at the very end of a turn loses neither the end nor the pause', async () => {
    for (let delay = 0; delay < 150; delay += 15) {
      const task = await bridge.start([{ text: 'done' }], { directory });
      await bridge.until(task, ({ kind }) => kind === 'attached');
      await sleep(delay);
      const held = await bridge.execution.pause(task, 'agent', undefined).catch((thrown) => {
        expect(thrown).toMatchObject({ code: 'INVALID_STATE' });
        return undefined;
      });
      if (held) {
        expect(held.status).toBe('paused');
        await bridge.execution.resume(task, 'agent', undefined);
      }
      const { status, result } = await bridge.end(task);
      expect(status).toBe('completed');
      expect(result?.summary).toMatch(/done|You were interrupted/);
    }
  });

  it('before the prompt has left keeps the prompt', async () => {
    const task = await bridge.start([], { description: 'Do the work' });
    const paused = bridge.until(task, isPaused);
    const hold = async (): Promise<Task> => {
      try {
        return await bridge.execution.pause(task, 'agent', undefined);
      } catch {
        await new Promise(setImmediate);
        return hold();
      }
    };
    await hold();
    await paused;
    await bridge.execution.resume(task, 'agent', undefined);
    expect((await bridge.end(task)).status).toBe('completed');
    expect(JSON.stringify(bridge.asked(task).at(-1)?.messages)).toContain('Do the work');
  });

  it('is refused for a task that waits in the queue', async () => {
    const running = [await bridge.start([bash('sleep 20')]), await bridge.start([bash('sleep 20')])];
    const waiting = await bridge.start([{ text: 'x' }]);
    await expect(bridge.execution.pause(waiting, 'agent', undefined)).rejects.toMatchObject({
      code: 'INVALID_STATE',
    });
    // First the one that would begin as soon as another ends.
    for (const task of [waiting, ...running]) await bridge.execution.cancel(task, 'agent', undefined);
  });

  it('of a task with an open request closes the request', async () => {
    const args = {
      questions: [{ question: 'Which?', header: 'Q', options: [{ label: 'A', description: 'a' }] }],
    };
    const task = await bridge.start([{ tools: [{ name: 'question', args }] }], { directory });
    await bridge.until(task, ({ kind }) => kind === 'request_opened');
    expect(await bridge.execution.pause(task, 'agent', undefined)).toMatchObject({
      status: 'paused',
      requests: [],
    });
    expect((await bridge.client.question.list({ directory })).data).toEqual([]);
    await bridge.execution.resume(task, 'agent', undefined);
    expect((await bridge.end(task)).status).toBe('completed');
  });
});

it('tells the model what was said last', async () => {
  const task = await bridge.start([bash('sleep 1'), { text: 'x' }], { directory });
  await bridge.until(task, isTool);
  await bridge.execution.message(task, 'human', 'a last "word" — ünï', 'queue');
  await bridge.end(task);
  expect(lastWords(task)).toContain('a last \\"word\\" — ünï');
});
