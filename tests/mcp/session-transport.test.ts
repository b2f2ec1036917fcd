import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Connection } from '../../src/mcp/connection.ts';
import { SessionTransport } from '../../src/mcp/session-transport.ts';
import { cancellation } from '../http/messages.ts';

/** A connection that keeps what the session says to it. */
class Recorder implements Connection {
  readonly answers: { id: RequestId; mark: unknown }[] = [];
  readonly cancelledIds: RequestId[] = [];
  closed = false;

  async send(message: JSONRPCMessage): Promise<void> {
    await Promise.resolve();
    if ('result' in message) this.answers.push({ id: message.id, mark: message.result.mark });
    if ('error' in message && message.id !== undefined) this.answers.push({ id: message.id, mark: 'error' });
  }
  cancelled(id: RequestId): void {
    this.cancelledIds.push(id);
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

interface Open {
  own: RequestId;
  id: RequestId;
  at: number;
  mark: number;
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('call'), at: fc.nat(2), id: fc.constantFrom(0, 1, '1', 2) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer'), at: fc.nat(20), id: fc.constant(0) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('cancel'), at: fc.nat(2), id: fc.constantFrom(0, 1, '1', 2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), at: fc.nat(2), id: fc.constant(0) }) },
);

test('whatever happens, each call that is not taken back gets one answer, its own, where and as it asked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const transport = new SessionTransport();
      let heard: RequestId | undefined;
      const aborted = new Set<unknown>();
      transport.onmessage = (message) => {
        if ('id' in message) heard = message.id;
        else if ('method' in message) aborted.add(message.params?.requestId);
      };
      let connections = [new Recorder(), new Recorder(), new Recorder()];
      const all = [...connections];
      let open: Open[] = [];
      const expected = new Map<Recorder, { id: RequestId; mark: unknown }[]>();
      const expectAt = (at: Recorder, answer: { id: RequestId; mark: unknown }): void =>
        void expected.set(at, [...(expected.get(at) ?? []), answer]);
      let mark = 0;
      for (const { do: what, at, id } of steps) {
        const connection = connections[at % 3] as Recorder;
        if (what === 'call') {
          mark += 1;
          await transport.deliver(connection, async () =>
            transport.receive(connection, { jsonrpc: '2.0', id, method: 'tools/call', params: { mark } }),
          );
          open.push({ own: heard as RequestId, id, at: at % 3, mark });
        } else if (what === 'answer' && open.length > 0) {
          const [call] = open.splice(at % open.length, 1) as [Open];
          expectAt(connections[call.at] as Recorder, { id: call.id, mark: call.mark });
          await transport.send({ jsonrpc: '2.0', id: call.own, result: { mark: call.mark } });
        } else if (what === 'cancel') {
          transport.receive(connection, cancellation(id) as JSONRPCMessage);
          const meant = open.filter((call) => call.id === id);
          if (meant.length === 1) {
            open = open.filter((call) => call !== meant[0]);
            expect(aborted).toContain(meant[0]?.own);
            await transport.send({
              jsonrpc: '2.0',
              id: meant[0]?.own as RequestId,
              result: { mark: 'late' },
            });
          }
        } else if (what === 'leave') {
          transport.disconnect(connection);
          for (const call of open.filter((call) => call.at === at % 3)) expect(aborted).toContain(call.own);
          open = open.filter((call) => call.at !== at % 3);
          connections = connections.with(at % 3, new Recorder());
          all.push(connections[at % 3] as Recorder);
        }
        expect(transport.openCalls).toBe(open.length);
      }
      for (const call of open) expectAt(connections[call.at] as Recorder, { id: call.id, mark: 'error' });
      await transport.close();
      await transport.idle();
      for (const recorder of all) expect(recorder.answers).toEqual(expected.get(recorder) ?? []);
    }),
    { numRuns: 500 },
  );
});

test('idle waits for the last answer to be taken, not only to be given', async () => {
  const transport = new SessionTransport();
  const taken = Promise.withResolvers<void>();
  const connection: Connection = { send: () => taken.promise, close: async () => undefined };
  let own: RequestId = '';
  transport.onmessage = (message) => {
    if ('id' in message && message.id !== undefined) own = message.id;
  };
  transport.receive(connection, { jsonrpc: '2.0', id: 1, method: 'ping' });
  const order: string[] = [];
  const idle = transport.idle().then(() => order.push('idle'));
  const sent = transport.send({ jsonrpc: '2.0', id: own, result: {} });
  await Promise.resolve();
  order.push('taken');
  taken.resolve();
  await Promise.all([idle, sent]);
  expect(order).toEqual(['taken', 'idle']);
});

test('many open calls are told apart, cancelled and ended in the time of few', async () => {
  const transport = new SessionTransport();
  const connection = new Recorder();
  transport.onmessage = () => undefined;
  const begun = performance.now();
  for (let id = 0; id < 50_000; id += 1)
    transport.receive(connection, { jsonrpc: '2.0', id, method: 'ping' });
  for (let id = 0; id < 25_000; id += 1) transport.receive(connection, cancellation(id) as JSONRPCMessage);
  await transport.close();
  expect(connection.answers).toHaveLength(25_000);
  expect(performance.now() - begun).toBeLessThan(5_000);
});
