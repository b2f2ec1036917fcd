import { beforeEach, describe, expect, it } from 'vitest';
import { MatrixFailure } from '../../src/matrix/matrix-failure.ts';
import { type Outgoing, RateLimitedSender } from '../../src/matrix/rate-limited-sender.ts';
import { ManualClock, settled } from '../support/clock.ts';

const NEVER = new AbortController().signal;
const numbered = (n: number): Outgoing => ({ roomId: '!r', type: 'm.x', txnId: `t${n}`, content: {} });

let clock: ManualClock;
/** What reached the server: the number of the event, and when, in seconds. */
let arrived: [txnId: string, second: number, took: boolean][];
let begun: number;
/** What the server does with the event that arrives now. */
let takes: () => boolean | Promise<boolean>;
let sender: RateLimitedSender;

beforeEach(() => {
  clock = new ManualClock();
  begun = clock.now();
  arrived = [];
  takes = () => true;
  const second = () => (clock.now() - begun) / 1_000;
  const send = async (_room: string, _type: string, txnId: string): Promise<string> => {
    const took = await takes();
    arrived.push([txnId, second(), took]);
    if (!took) throw new MatrixFailure('limited', { status: 429, retryAfterMs: 4_000 });
    return `$${txnId}`;
  };
  sender = new RateLimitedSender({ send }, clock);
});

/** As Synapse limits by default: ten at once, then one in five seconds. */
function likeSynapse(): () => boolean {
  let tokens = 10;
  let at = clock.now();
  return () => {
    tokens = Math.min(10, tokens + ((clock.now() - at) / 1_000) * 0.2);
    at = clock.now();
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

describe('the way into rooms', () => {
  it('is open while the server takes everything', async () => {
    const ids = await Promise.all([1, 2, 3].map((n) => sender.send(numbered(n), NEVER)));
    expect(ids).toEqual(['$t1', '$t2', '$t3']);
    expect(arrived.map(([, second]) => second)).toEqual([0, 0, 0]);
  });

  it('has no more than eight under way', async () => {
    let most = 0;
    let now = 0;
    takes = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now -= 1;
      return true;
    };
    await Promise.all(Array.from({ length: 30 }, (_, n) => sender.send(numbered(n), NEVER)));
    expect(most).toBe(8);
  });

  it('loses nothing where the server limits, keeps the order, and asks once for each wait', async () => {
    takes = likeSynapse();
    const sent = Promise.all(Array.from({ length: 20 }, (_, n) => sender.send(numbered(n), NEVER)));
    await clock.advance(120_000);
    expect(await sent).toHaveLength(20);
    const taken = arrived.filter(([, , took]) => took).map(([txnId]) => txnId);
    expect(taken.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)))).toEqual(taken);
    const asked = arrived.filter(([, second, took]) => !took && second > 0).map(([, second]) => second);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('removes an aborted message from the queue', async () => {
    takes = () => false;
    const first = sender.send(numbered(1), NEVER).catch(() => 'never');
    await settled();
    const giveUp = new AbortController();
    const second = sender.send(numbered(2), giveUp.signal);
    giveUp.abort();
    await expect(second).rejects.toThrow('aborted while the homeserver limits');
    takes = () => true;
    await clock.advance(10_000);
    expect(await first).toBe('$t1');
    expect(arrived.map(([txnId]) => txnId)).not.toContain('t2');
  });

  it('waits for nothing any more once nobody waits, so that a bridge that stops can end', async () => {
    takes = () => false;
    const giveUp = new AbortController();
    const sent = [1, 2].map((n) => sender.send(numbered(n), giveUp.signal));
    await settled();
    expect(clock.pending).toBe(1);
    giveUp.abort();
    for (const one of sent) await expect(one).rejects.toThrow('aborted');
    expect(clock.pending).toBe(0);
    const late = sender.send(numbered(3), NEVER);
    takes = () => true;
    await clock.advance(10_000);
    expect(await late).toBe('$t3');
  });

  it('passes on what is no limit', async () => {
    takes = () => {
      throw new MatrixFailure('no', { status: 403, errcode: 'M_FORBIDDEN' });
    };
    await expect(sender.send(numbered(1), NEVER)).rejects.toThrow('no');
  });
});

describe('progress', () => {
  /** Tells as much as is allowed for so long; how often that was. */
  async function send(seconds: number): Promise<number> {
    let told = 0;
    for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
      if (sender.hasRoom) {
        told += 1;
        void sender.sendProgress(numbered(tenth), NEVER);
      }
      await clock.advance(100);
    }
    return told;
  }

  it('goes out twice a second where nothing is limited', async () => {
    expect(await send(10)).toBe(20);
  });

  it('is what gives way where the server limits: what matters is seldom kept waiting', async () => {
    takes = likeSynapse();
    await send(600);
    const refused = arrived.filter(([, , took]) => !took).length;
    const taken = arrived.length - refused;
    expect(taken).toBeGreaterThan(40);
    expect(refused).toBeLessThan(taken / 4);
    await clock.advance(60_000);
    arrived = [];
    await sender.send(numbered(1), NEVER);
    expect(arrived).toHaveLength(1);
  });

  it('waits behind what waits', async () => {
    takes = () => false;
    void sender.send(numbered(1), NEVER).catch(() => undefined);
    await settled();
    expect(sender.hasRoom).toBe(false);
    expect(sender.progressFrom).toBeGreaterThan(clock.now() + 4_000);
    takes = () => true;
    await clock.advance(10_000);
  });
});
