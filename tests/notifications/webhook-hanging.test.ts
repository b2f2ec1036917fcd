import { beforeEach, expect, it } from 'vitest';
import { HangingReceivers } from '../../src/notifications/webhook/hanging-receivers.ts';

let receivers: HangingReceivers;
beforeEach(() => {
  receivers = new HangingReceivers();
});

/** A request that is on its way until it is answered or runs into its time limit. */
function request(agentId = 'agent-1', host = 'a.test') {
  const limit = new AbortController();
  const outcome = Promise.withResolvers<void>();
  let isOut = false;
  const ended = receivers
    .run(agentId, host, limit.signal, () => {
      isOut = true;
      return outcome.promise;
    })
    .then(
      () => 'done',
      (thrown: Error) => thrown.message,
    );
  return {
    isOut,
    answer: () => {
      outcome.resolve();
      return ended;
    },
    refuse: () => {
      outcome.reject(new Error('HTTP 500'));
      return ended;
    },
    timeOut: () => {
      limit.abort();
      outcome.reject(new Error('aborted'));
      return ended;
    },
    ended,
  };
}

it('lets any number of requests out to a receiver that answers', async () => {
  const all = [request(), request(), request()];
  expect(all.map(({ isOut }) => isOut)).toEqual([true, true, true]);
  for (const one of all) expect(await one.refuse()).toBe('HTTP 500');
  expect(request().isOut).toBe(true);
});

it('lets one out at a time after a time-out, also where others time out later', async () => {
  const wave = [request(), request(), request()];
  await wave[0]?.timeOut();
  const probe = request();
  expect(probe.isOut).toBe(true);
  for (const one of wave.slice(1)) await one.timeOut();
  const other = request();
  expect([other.isOut, await other.ended]).toEqual([false, 'a.test did not answer in time']);
  await probe.timeOut();
  expect([request().isOut, request().isOut]).toEqual([true, false]);
});

it.each(['answer', 'refuse'] as const)('lets all out again after an %s', async (outcome) => {
  await request().timeOut();
  const probe = request();
  expect(request().isOut).toBe(false);
  await probe[outcome]();
  expect([request().isOut, request().isOut]).toEqual([true, true]);
});

it('tells agents and hosts apart', async () => {
  await request().timeOut();
  expect(request().isOut).toBe(true);
  expect(request().isOut).toBe(false);
  expect(request('agent-2').isOut).toBe(true);
  expect(request('agent-2').isOut).toBe(true);
  expect(request('agent-1', 'b.test').isOut).toBe(true);
});
