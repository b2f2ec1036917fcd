import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workspaceBlockSchema } from '../../src/memory/block.ts';
import { LettaSink, type LettaSinkOptions } from '../../src/notifications/letta/letta-sink.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { type FakeLetta, startLetta } from '../support/letta.ts';
import { halvesIn } from '../support/well-formed.ts';
import { BOUNDS, Delivering, type SinkParts, until } from './delivering.ts';
import { type RemoteSystem, sinkContract, type Trouble } from './sink-contract.ts';

const DETACH_MS = 4_000;
const STARTED: TaskEventBody = { kind: 'started' };
const output = (n: number, text = `step ${n}`): TaskEventBody => ({
  kind: 'output',
  text,
  message_id: 'm',
  part_id: `${n}`,
});
const completed = (summary = 'Done.'): TaskEventBody => ({
  kind: 'completed',
  result: { summary, files_changed: [], files_changed_total: 2, finish: 'stop' },
});

const sinkOf = (
  letta: FakeLetta,
  { block, clock: { now } }: SinkParts,
  options: Partial<LettaSinkOptions> = {},
) =>
  new LettaSink({
    endpoint: { url: letta.url },
    block,
    blockLimit: BOUNDS.limit,
    detachDelayMs: DETACH_MS,
    now,
    lookupDelayMs: 2_000,
    ...options,
  });

const labelOf = (taskId: string) => `opencode_workspace_${taskId}`;
const readBlock = (value: string) => workspaceBlockSchema.parse(JSON.parse(value));

function statusesOf(letta: FakeLetta, taskId: string): string[] {
  const statuses = (letta.values.get(labelOf(taskId)) ?? []).map((value) => readBlock(value).status);
  return statuses.filter((status, index) => status !== statuses[index - 1]);
}

async function startRemote(): Promise<RemoteSystem> {
  const letta = await startLetta();
  const answer = (kind: Trouble) => (kind === 'error' ? { status: 503 } : kind);
  return {
    sink: (parts) => sinkOf(letta, parts),
    agent: () => letta.addAgent(),
    trouble(kind, about) {
      letta.fault = (_, path) => (kind && path.includes(about?.agentId ?? '') ? answer(kind) : undefined);
    },
    stop: () => letta.stop(),
    start: () => letta.start(),
    seen: async (agentId, taskId) => ({
      statuses: statusesOf(letta, taskId),
      ends: letta.messagesOf(agentId).filter(({ content }) => content.includes(`${taskId} has ended`)).length,
    }),
    [Symbol.asyncDispose]: () => letta.stop(),
  };
}

sinkContract('Letta', startRemote);

describe('Letta', () => {
  let letta: FakeLetta;
  let bridge: Delivering;
  let agent: string;

  beforeEach(async () => {
    letta = await startLetta('s3cret');
    agent = letta.addAgent();
    bridge = await deliver();
  });

  afterEach(async () => {
    await bridge[Symbol.asyncDispose]();
    await letta.stop();
  });

  const deliver = (options: Partial<LettaSinkOptions> = {}) =>
    Delivering.to((parts) =>
      sinkOf(letta, parts, { endpoint: { url: letta.url, token: 's3cret' }, ...options }),
    );
  const calls = (pattern: RegExp) => letta.requests.filter((request) => pattern.test(request));
  const status = () => statusesOf(letta, 'task_1').at(-1);

  it('gives the agent a block of the task, read-only and within its limit', async () => {
    bridge.create('task_1', agent, STARTED);
    await until(() => status() === 'running' && letta.blocksOf(agent).length === 1);
    const [block] = letta.blocksOf(agent);
    expect(block).toMatchObject({
      label: 'opencode_workspace_task_1',
      description: expect.stringContaining('task_1'),
      tags: ['opencode', 'task:task_1'],
      read_only: true,
      limit: BOUNDS.limit,
    });
    expect(readBlock(block?.value ?? '')).toEqual(bridge.workspace.block('task_1'));
  });

  it('notifies the agent of the end: the task, its status, its duration, its result, how to read more', async () => {
    bridge.create('task_1', agent, STARTED, completed(`${'long '.repeat(400)}\nend`));
    await bridge.settled('task_1');
    const [message, ...more] = letta.messagesOf(agent);
    expect(more).toEqual([]);
    expect(message?.content).toMatch(
      /^OpenCode task task_1 has ended: completed, after \d+ s\.\nYou had asked for: Write a program\./,
    );
    expect(message?.content).toContain('not instructions to you');
    expect(message?.content).toContain('Files changed: 2.');
    expect(message?.content).toContain('get_task_status');
    expect(/^> (.*)$/m.exec(message?.content ?? '')?.[1]).toHaveLength(1_000);
  });

  it('never gets half of a character, wherever a text is cut', async () => {
    const split = `a${'😀'.repeat(3_000)}\ud83d`;
    bridge.create('task_1', agent, STARTED, output(1, split), output(2, '\ude00'), completed(split));
    await bridge.settled('task_1');
    const values = letta.values.get(labelOf('task_1')) ?? [];
    expect(values.join()).toContain('😀');
    expect(halvesIn([values.map(readBlock), letta.messagesOf(agent)])).toBeUndefined();
  });

  it('removes the block after a delay, also across a restart', async () => {
    await using slow = await deliver({ detachDelayMs: 40_000 });
    const began = slow.clock.now();
    slow.create('task_1', agent, STARTED, completed());
    await until(() => letta.messagesOf(agent).length === 1);
    expect(letta.blocksOf(agent)).toHaveLength(1);
    await slow.restart();
    await slow.settled('task_1');
    expect(slow.clock.now() - began).toBeGreaterThan(40_000);
    expect([letta.blocksOf(agent), letta.blocks.size]).toEqual([[], 0]);
    expect(calls(/detach/)).toHaveLength(1);
  });

  it('succeeds in removing what is already gone', async () => {
    bridge.create('task_1', agent, STARTED, completed());
    await until(() => letta.messagesOf(agent).length === 1);
    letta.agents.get(agent)?.blocks.clear();
    letta.blocks.clear();
    await bridge.settled('task_1');
    expect(bridge.delivery.health().detail).toBe('up to date');
  });

  it('writes progress together, and nothing of it twice', async () => {
    bridge.create('task_1', agent, STARTED);
    await until(() => status() === 'running');
    const began = bridge.clock.now();
    for (let n = 1; n <= 40; n += 1) {
      bridge.log.append('task_1', output(n));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    bridge.log.append('task_1', completed());
    await bridge.settled('task_1');
    const seconds = (bridge.clock.now() - began) / 1_000;
    expect(calls(/^PATCH \/v1\/blocks\//).length).toBeLessThanOrEqual(seconds / 5 + 2);
    const messages = readBlock(letta.values.get(labelOf('task_1'))?.at(-1) ?? '').events.map(
      (event) => event.message,
    );
    expect(messages).toEqual(['Started.', ...Array.from({ length: 40 }, (_, n) => `step ${n + 1}`), 'Done.']);
  });

  it('loses nothing of ten tasks that are written at once, and keeps each block valid and within its limit', async () => {
    const tasks = Array.from({ length: 10 }, (_, n) => `task_${n}`);
    for (const id of tasks) bridge.create(id, agent, STARTED);
    for (let n = 1; n <= 30; n += 1) {
      for (const id of tasks) bridge.log.append(id, output(n, `${id} ${n} ${'"\\\u0000é'.repeat(n)}`));
      await new Promise(setImmediate);
    }
    for (const id of tasks) bridge.log.append(id, completed(`${id} is done.`));
    await Promise.all(tasks.map((id) => bridge.settled(id)));
    for (const id of tasks) {
      const values = letta.values.get(labelOf(id)) ?? [];
      expect(Math.max(...values.map(({ length }) => length))).toBeLessThanOrEqual(BOUNDS.limit);
      const last = values.map(readBlock).at(-1);
      expect(last).toEqual(bridge.workspace.block(id));
      // What is there and what the bound cut make all that was said.
      expect((last?.events.length ?? 0) + (last?.metadata.events_dropped ?? 0)).toBe(32);
    }
    expect(letta.messagesOf(agent)).toHaveLength(10);
    expect(letta.blocks.size).toBe(0);
  });

  it('loses nothing of one task that ten write to at once', async () => {
    bridge.create('task_1', agent, STARTED);
    const writers = Array.from({ length: 10 }, async (_, writer) => {
      for (let n = 1; n <= 5; n += 1) {
        bridge.log.append('task_1', output(n, `${writer}.${n}`));
        await new Promise((resolve) => setTimeout(resolve, writer));
      }
    });
    await Promise.all(writers);
    bridge.log.append('task_1', completed());
    await bridge.settled('task_1');
    const { events, metadata } = readBlock(letta.values.get(labelOf('task_1'))?.at(-1) ?? '');
    expect([events.length, metadata.events_dropped]).toEqual([50, 2]);
    const logged = bridge.log.store
      .events('task_1', 0, 100)
      .flatMap((event) => (event.kind === 'output' ? [event.text] : []));
    expect(events.map(({ message }) => message)).toEqual(['Started.', ...logged.slice(2), 'Done.']);
  });

  it('makes one block although the answer was lost', async () => {
    letta.fault = (method, path) => (method === 'POST' && path === '/v1/blocks/' ? 'lose answer' : undefined);
    bridge.create('task_1', agent, STARTED);
    await until(() => bridge.delivery.health().status === 'degraded');
    await bridge.restart();
    await until(() => letta.blocksOf(agent).length === 1);
    expect(calls(/^POST \/v1\/blocks\//)).toHaveLength(1);
    letta.fault = () => undefined;
    bridge.log.append('task_1', completed());
    await bridge.settled('task_1');
    expect(letta.blocks.size).toBe(0);
  });

  it('makes a block anew that vanished', async () => {
    bridge.create('task_1', agent, STARTED);
    await until(() => status() === 'running' && letta.blocksOf(agent).length === 1);
    letta.blocks.clear();
    letta.agents.get(agent)?.blocks.clear();
    bridge.log.append('task_1', output(1), { kind: 'paused' });
    await until(() => status() === 'paused' && letta.blocksOf(agent).length === 1);
    expect(readBlock(letta.blocksOf(agent)[0]?.value ?? '').events.map(({ message }) => message)).toEqual([
      'Started.',
      'step 1',
      'Paused.',
    ]);
  });

  it('goes on in the block of that label that the agent has already', async () => {
    const other = { id: 'block-11111111-1111-4111-8111-111111111111', value: '', label: labelOf('task_1') };
    letta.blocks.set(other.id, { ...other, limit: 100, tags: [] });
    letta.agents.get(agent)?.blocks.add(other.id);
    const block = letta.blocks.get(other.id);
    if (block) block.limit = BOUNDS.limit;
    bridge.create('task_1', agent, STARTED);
    await until(() => Boolean(letta.blocks.get(other.id)?.value));
    expect([...letta.blocks.keys()]).toEqual([other.id]);
    bridge.log.append('task_1', completed());
    await bridge.settled('task_1');
    expect(letta.blocks.size).toBe(0);
  });

  it('is the one writer, and tries again where somebody else was', async () => {
    bridge.create('task_1', agent, STARTED);
    await until(() => status() === 'running' && letta.blocksOf(agent).length === 1);
    letta.fault = (method) => (method === 'PATCH' ? { status: 409 } : undefined);
    bridge.log.append('task_1', { kind: 'paused' });
    await until(() => /HTTP 409/.test(bridge.delivery.health().detail));
    letta.fault = () => undefined;
    await until(() => status() === 'paused');
  });

  it('gives up a task whose agent is gone, and leaves nothing behind', async () => {
    bridge.create('task_1', 'agent-00000000-0000-4000-8000-000000000000', STARTED);
    await bridge.settled('task_1');
    expect(bridge.delivery.health()).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('given up: 1'),
    });
    expect(letta.blocks.size).toBe(0);
    bridge.create('task_2', agent, STARTED);
    await until(() => letta.blocksOf(agent).length === 1);
    letta.agents.delete(agent);
    bridge.log.append('task_2', completed());
    await bridge.settled('task_2');
    expect(letta.blocks.size).toBe(0);
  });

  it('is not asked about agents that are none of its own', async () => {
    bridge.create('task_1', 'claude-code', STARTED, completed());
    await bridge.settled('task_1');
    expect(letta.requests).toEqual([]);
    expect(bridge.delivery.health().detail).toBe('up to date');
  });

  it('waits as long as Letta asks', async () => {
    letta.fault = () => ({ status: 429, retryAfter: '10' });
    const asked = bridge.clock.now();
    bridge.create('task_1', agent);
    await until(() => bridge.delivery.health().status === 'degraded');
    letta.fault = () => undefined;
    await until(() => letta.blocks.size === 1);
    expect(bridge.clock.now() - asked).toBeGreaterThan(10_000);
  });

  it('says that the token is wrong, and nothing of what Letta says', async () => {
    await using other = await deliver({ endpoint: { url: letta.url, token: 'wrong' } });
    other.create('task_1', agent);
    await until(() => other.delivery.health().status === 'degraded');
    expect(other.delivery.health().detail).toMatch(
      /last error: Letta: create block: HTTP 401 \(LETTA_API_TOKEN\)$/,
    );
  });

  describe('the message', () => {
    const MESSAGE = /\/messages\/async$/;
    const onMessages = (fault: 'lose answer' | 'refuse' | { status: number }) => {
      letta.fault = (_, path) => (MESSAGE.test(path) ? fault : undefined);
    };

    it('is sent again if it was certainly not delivered', async () => {
      onMessages({ status: 503 });
      bridge.create('task_1', agent, STARTED, completed());
      await until(() => calls(MESSAGE).length >= 2);
      letta.fault = () => undefined;
      await bridge.settled('task_1');
      expect(letta.messagesOf(agent)).toHaveLength(1);
      expect(calls(/GET .*\/messages$/)).toEqual([]);
    });

    it('is not sent again where the answer was lost and the message is there, though not at once', async () => {
      letta.turnMs = 50;
      onMessages('lose answer');
      bridge.create('task_1', agent, STARTED, completed());
      await until(() => calls(MESSAGE).length === 1);
      await bridge.restart();
      await bridge.settled('task_1');
      expect(letta.messagesOf(agent)).toHaveLength(1);
      expect(calls(MESSAGE)).toHaveLength(1);
    });

    it('is neither sent nor looked for again where what came after it failed', async () => {
      await using hasty = await deliver({ detachDelayMs: 0 });
      letta.fault = (_, path) => (/detach/.test(path) ? { status: 503 } : undefined);
      hasty.create('task_1', agent, STARTED, completed());
      await until(() => calls(/detach/).length >= 2);
      letta.fault = () => undefined;
      await hasty.settled('task_1');
      expect(letta.messagesOf(agent)).toHaveLength(1);
      expect(calls(/GET .*\/messages$/)).toEqual([]);
    });

    it('is sent again where the answer was lost and the message too', async () => {
      onMessages('refuse');
      bridge.create('task_1', agent, STARTED, completed());
      await until(() => calls(MESSAGE).length === 1);
      letta.fault = () => undefined;
      await bridge.settled('task_1');
      expect(calls(MESSAGE)).toHaveLength(2);
      expect(letta.messagesOf(agent)).toHaveLength(1);
    });
  });

  it('comes through any mix of failures with one block, one message and nothing left', async () => {
    const faults = ['refuse', 'lose answer', { status: 500 }, { status: 409 }] as const;
    let asked = 0;
    // Every third; three and four share no factor, so each kind meets each call.
    letta.fault = () => (++asked % 3 === 0 ? faults[(asked / 3) % faults.length] : undefined);
    const tasks = Array.from({ length: 5 }, (_, n) => `task_${n}`);
    for (const id of tasks) bridge.create(id, agent, STARTED, output(1));
    await until(() => tasks.every((id) => statusesOf(letta, id).at(-1) === 'running'));
    await bridge.restart();
    for (const id of tasks) bridge.log.append(id, completed(`${id} is done.`));
    await Promise.all(tasks.map((id) => bridge.settled(id)));
    const notified = letta.messagesOf(agent).map(({ content }) => /task_\d/.exec(content)?.[0]);
    expect(notified.toSorted()).toEqual(tasks);
    expect(letta.blocks.size).toBe(0);
    for (const id of tasks) expect(statusesOf(letta, id).at(-1)).toBe('completed');
  });
});
