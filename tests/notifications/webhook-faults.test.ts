import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { SENT_KINDS } from '../../src/notifications/webhook/payload.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { startReceiver } from '../support/webhook-receiver.ts';
import { Delivering, until } from './delivering.ts';
import { webhookTo } from './webhook-sinks.ts';

const FACTOR = 60;
const CANCELLED: TaskEventBody = { kind: 'cancelled', by: 'agent-1' };
const warning: TaskEventBody = { kind: 'warning', code: 'ENGINE_UNREACHABLE', message: 'It is away.' };
const output: TaskEventBody = { kind: 'output', text: 'x', message_id: 'm', part_id: 'p' };

const fault = fc.constantFrom('refuse' as const, 'lose answer' as const, 'half an answer' as const, {
  status: 500,
});
const step = fc.constantFrom('event', 'event', 'chatter', 'fault', 'fault', 'restart', 'stop');

it('whatever fails in between, every event arrives in order, and a repeat only with the id of the first', async () => {
  await using receiver = await startReceiver();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.array(fault, { maxLength: 8 }),
      async (steps, faults) => {
        run += 1;
        const taskId = `task_${run}`;
        const pending: typeof faults = [];
        receiver.arrived.length = 0;
        receiver.fault = () => pending.shift();
        const sink = await webhookTo(receiver.url);
        await using bridge = await Delivering.to(() => sink, 86_400_000, FACTOR);
        bridge.create(taskId, 'agent-1', { kind: 'started' });
        for (const what of steps) {
          if (what === 'event') bridge.log.append(taskId, warning);
          if (what === 'chatter') bridge.log.append(taskId, output);
          if (what === 'fault') pending.push(...faults.splice(0, 2));
          if (what === 'restart') await bridge.restart();
          if (what === 'stop') await receiver.stop().then(() => receiver.start());
        }
        bridge.log.append(taskId, CANCELLED);
        await bridge.settled(taskId);
        const events = bridge.log.store.events(taskId, 0, 100).filter(({ kind }) => SENT_KINDS.has(kind));
        expect(receiver.messagesOf(taskId).map(({ id }) => id)).toEqual(
          events.map(({ seq }) => `webhook_${taskId}_${seq}`),
        );
        for (const { id, data } of receiver.arrived) {
          expect(id).toBe(`webhook_${taskId}_${data.seq}`);
          expect(data.event.kind).toBe(events.find(({ seq }) => seq === data.seq)?.kind);
        }
      },
    ),
    { numRuns: 25 },
  );
  expect(receiver.wrong).toEqual([]);
});

/** What a server could send that does not speak HTTP, or wants to keep the bridge busy. */
const ANSWERS: Record<string, (socket: Socket) => void> = {
  'another protocol': (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'),
  'a status that is none': (socket) => socket.write('HTTP/1.1 2000 OK\r\n\r\n'),
  'two lengths': (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nx'),
  'endless headers': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const more = () => socket.write(`X-A: ${'a'.repeat(1_000)}\r\n`, () => !socket.destroyed && more());
    more();
  },
  'endless interim answers': (socket) => {
    const more = () =>
      socket.write('HTTP/1.1 102 Processing\r\n\r\n', () => !socket.destroyed && setTimeout(more, 5));
    more();
  },
  'nothing but an end': (socket) => socket.end(),
  'a reset': (socket) => socket.resetAndDestroy(),
};

it.each(Object.keys(ANSWERS))(
  'a receiver whose answer is %s has failed, and its connection is closed',
  async (kind) => {
    const open = new Set<Socket>();
    let requests = 0;
    const server = createServer((socket) => {
      open.add(socket.on('error', () => undefined).once('close', () => open.delete(socket)));
      socket.once('data', () => {
        requests += 1;
        ANSWERS[kind]?.(socket);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = z.object({ port: z.number() }).parse(server.address());
    const sink = await webhookTo(`http://127.0.0.1:${port}/s3cret-path`);
    await using bridge = await Delivering.to(() => sink, 86_400_000, FACTOR);
    bridge.create('task_1', 'agent-1');
    await until(() => requests > 2);
    const { status, detail } = bridge.delivery.health();
    expect(status).toBe('degraded');
    expect(detail).toMatch(/1 failing, last error: (127\.0\.0\.1:\d+: .+|no answer within 15 s)$/);
    expect(detail).not.toContain('s3cret-path');
    await bridge.delivery.close();
    await until(() => open.size === 0);
    server.close();
  },
);
