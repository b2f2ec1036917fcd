import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { SECRET, startReceiver } from '../support/webhook-receiver.ts';
import { Delivering, until } from './delivering.ts';
import { type RemoteSystem, sinkContract, type Trouble } from './sink-contract.ts';
import { webhookTo } from './webhook-sinks.ts';

async function startRemote(): Promise<RemoteSystem> {
  const receiver = await startReceiver();
  const sink = await webhookTo(receiver.url);
  const answer = (kind: Trouble) => (kind === 'error' ? { status: 503 } : kind);
  return {
    sink: () => sink,
    agent: () => `agent-${randomUUID()}`,
    trouble(kind, about) {
      receiver.fault = ({ data }) =>
        kind && (about === undefined || data.task_id === about.taskId) ? answer(kind) : undefined;
    },
    stop: () => receiver.stop(),
    start: () => receiver.start(),
    seen: async (_, taskId) => {
      const messages = receiver.messagesOf(taskId);
      const statuses = messages.map(({ data }) => data.task.status);
      return {
        statuses: statuses.filter((status, index) => status !== statuses[index - 1]),
        ends: messages.filter(({ type }) => type === 'task.completed').length,
      };
    },
    [Symbol.asyncDispose]: () => receiver.stop(),
  };
}

sinkContract('webhook', startRemote);

const STARTED: TaskEventBody = { kind: 'started' };
const WARNING: TaskEventBody = { kind: 'warning', code: 'ENGINE_UNREACHABLE', message: 'It is away.' };
const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `${n}`,
});
const COMPLETED: TaskEventBody = {
  kind: 'completed',
  result: { summary: 'Done.', files_changed: [], files_changed_total: 0, finish: 'stop' },
};

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let bridge: Delivering;

beforeEach(async () => {
  receiver = await startReceiver();
  const sink = await webhookTo(receiver.url);
  bridge = await Delivering.to(() => sink);
});

afterEach(async () => {
  await bridge[Symbol.asyncDispose]();
  await receiver.stop();
});

const idsOf = (taskId: string) => receiver.messagesOf(taskId).map(({ id }) => id);
const health = () => bridge.delivery.health();

describe('a webhook', () => {
  it('gets the important events of a task in order, each with the id of its seq', async () => {
    bridge.create('task_1', 'agent-1', STARTED, output(1), WARNING, output(2), output(3), COMPLETED);
    await bridge.settled('task_1');
    expect(receiver.arrived.map(({ id, type }) => [id, type])).toEqual([
      ['webhook_task_1_1', 'task.created'],
      ['webhook_task_1_2', 'task.started'],
      ['webhook_task_1_4', 'task.warning'],
      ['webhook_task_1_7', 'task.completed'],
    ]);
    expect(receiver.arrived.at(-1)).toMatchObject({
      timestamp: receiver.arrived.at(-1)?.data.event.at,
      data: {
        task_id: 'task_1',
        agent_id: 'agent-1',
        seq: 7,
        event: { seq: 7, kind: 'completed', result: { summary: 'Done.' } },
        task: { status: 'completed', description: 'Write a program.', last_seq: 7 },
      },
    });
    expect(receiver.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^letta-opencode-plugin\/\d/),
    });
    expect(new Set(receiver.requests)).toEqual(new Set(['POST /hook?key=s3cret-path']));
  });

  it('shows the deadline of a request as ISO 8601', async () => {
    const request = {
      id: 'per_1',
      type: 'permission',
      title: 'Allow',
      session_id: 's',
      expires_at: 5_000,
    } as const;
    bridge.create('task_1', 'agent-1', STARTED, { kind: 'request_opened', request });
    await until(() => receiver.arrived.length === 3);
    expect(receiver.arrived[2]?.data.event).toMatchObject({
      request: { id: 'per_1', expires_at: '1970-01-01T00:00:05.000Z' },
    });
  });

  it('is signed with both secrets while one is changed', async () => {
    const other = Buffer.alloc(32, 9).toString('base64');
    const sink = await webhookTo(receiver.url, { WEBHOOK_SECRET: `${other},${SECRET}` });
    await using rotating = await Delivering.to(() => sink);
    rotating.create('task_2', 'agent-1', STARTED);
    await until(() => idsOf('task_2').length === 2);
    receiver.secret = other;
    rotating.log.append('task_2', COMPLETED);
    await rotating.settled('task_2');
    expect([receiver.wrong, idsOf('task_2').length]).toEqual([[], 3]);
    expect(receiver.headers['webhook-signature']).toMatch(/^v1,\S{44} v1,\S{44}$/);
  });

  it('does not get what another secret signed', async () => {
    receiver.secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
    bridge.create('task_1', 'agent-1');
    await until(() => receiver.wrong.length > 1);
    expect(receiver.wrong[0]).toMatch(/No matching signature/);
    await until(() => health().detail.includes(`last error: ${receiver.host} answered HTTP 400`));
  });

  it.each(['slow body', 'huge body'] as const)(
    'has accepted a message whatever follows a 200: %s',
    async (kind) => {
      const sink = await webhookTo(receiver.url);
      // The time limit of a call has to stay longer than that of reading a body.
      await using unhurried = await Delivering.to(() => sink, 86_400_000, 5);
      receiver.fault = () => kind;
      unhurried.create('task_1', 'agent-1', STARTED, COMPLETED);
      await unhurried.settled('task_1');
      expect(receiver.arrived.map(({ id }) => id)).toEqual(idsOf('task_1'));
      await until(() => receiver.connections === 0);
    },
  );

  it.each(['lose answer', 'half an answer'] as const)(
    'gets a message again with the same id after: %s',
    async (kind) => {
      let left = 2;
      receiver.fault = ({ type }) => (type === 'task.started' && left-- > 0 ? kind : undefined);
      bridge.create('task_1', 'agent-1', STARTED, COMPLETED);
      await bridge.settled('task_1');
      const started = 'webhook_task_1_2';
      expect(receiver.arrived.map(({ id }) => id)).toEqual([
        'webhook_task_1_1',
        started,
        started,
        started,
        'webhook_task_1_3',
      ]);
    },
  );

  it('that hangs is left after the time limit, and gets the message again', async () => {
    let left = 1;
    receiver.fault = () => (left-- > 0 ? 'hang' : undefined);
    bridge.create('task_1', 'agent-1');
    await until(() => receiver.connections === 1);
    await until(() => receiver.connections === 0);
    await until(() => idsOf('task_1').length === 1);
    expect(receiver.requests).toHaveLength(2);
  });

  it('that answers 500 is tried again, and the failure names no path', async () => {
    let left = 2;
    receiver.fault = () => (left-- > 0 ? { status: 500 } : undefined);
    bridge.create('task_1', 'agent-1', STARTED, COMPLETED);
    await until(() => health().status === 'degraded');
    expect(health().detail).toMatch(/1 failing, last error: 127\.0\.0\.1:\d+ answered HTTP 500$/);
    await bridge.settled('task_1');
    expect(idsOf('task_1')).toHaveLength(3);
    expect(health()).toMatchObject({ status: 'ok', detail: 'up to date' });
  });

  it('that is away is named by host and cause', async () => {
    await receiver.stop();
    bridge.create('task_1', 'agent-1');
    await until(() => health().status === 'degraded');
    expect(health().detail).toMatch(/last error: 127\.0\.0\.1:\d+: ECONNREFUSED$/);
  });

  it.each([429, 503])('that answers %i with Retry-After is not called before', async (status) => {
    const at: number[] = [];
    receiver.fault = () => {
      at.push(bridge.clock.now());
      return at.length === 1 ? { status, headers: { 'Retry-After': '10' } } : undefined;
    };
    bridge.create('task_1', 'agent-1');
    await until(() => idsOf('task_1').length === 1);
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(10_000);
  });

  it('that is gone (410) gets nothing more about the task, which counts as given up', async () => {
    receiver.fault = ({ data }) => (data.task_id === 'task_1' ? { status: 410 } : undefined);
    bridge.create('task_1', 'agent-1', STARTED);
    await until(() => /given up: 1/.test(health().detail));
    bridge.log.append('task_1', COMPLETED);
    bridge.create('task_2', 'agent-1', STARTED, COMPLETED);
    await until(() => idsOf('task_2').length === 3);
    expect(receiver.requests).toHaveLength(4);
    await until(() => health().detail === 'up to date; given up: 1');
    expect(health().status).toBe('ok');
  });

  it.each([301, 302, 303, 307, 308])(
    'that redirects with %i is a failure, and nobody follows it',
    async (status) => {
      await using trap = await startReceiver();
      receiver.fault = () => ({ status, headers: { Location: trap.url } });
      bridge.create('task_1', 'agent-1');
      await until(() => receiver.requests.length > 1);
      expect(trap.requests).toEqual([]);
      const failure = new RegExp(`HTTP ${status}, and redirects are not followed$`);
      await until(() => failure.test(health().detail));
    },
  );

  it('goes on after a restart where it was', async () => {
    receiver.fault = ({ data }) => (data.seq > 2 ? { status: 500 } : undefined);
    bridge.create('task_1', 'agent-1', STARTED, WARNING, output(1), WARNING);
    await until(() => health().status === 'degraded');
    await bridge.restart();
    receiver.fault = () => undefined;
    await until(() => receiver.arrived.length === 4);
    expect(receiver.arrived.map(({ data }) => data.seq)).toEqual([1, 2, 3, 5]);
  });
});
