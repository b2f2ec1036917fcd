import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import {
  type Homeserver,
  type HomeserverOptions,
  SYNAPSE_ABSENT,
  startSynapse,
  synapseIsThere,
} from '../support/homeserver.ts';
import { Refused } from '../support/person.ts';
import { roomBehaviours } from './homeserver-rooms.ts';
import { syncBehaviours } from './homeserver-sync.ts';
import { refusal, type TwoUsers, textOf, twoUsersAt } from './two-users.ts';

/** Two cores that are busy take their time to start a server. */
const SLOW_MS = 180_000;

/** Does it until that is refused as too often. */
async function untilLimited(act: () => Promise<string>) {
  const made: string[] = [];
  for (;;) {
    try {
      made.push(await act());
    } catch (thrown) {
      expect(thrown).toEqual(refusal(429, 'M_LIMIT_EXCEEDED'));
      return { made, retryAfterMs: thrown instanceof Refused ? thrown.retryAfterMs : undefined };
    }
  }
}

/** What the bridge relies on, the same of both: so the fake cannot drift. */
function behaviours(
  name: string,
  absent: string | undefined,
  begin: (options?: HomeserverOptions) => Promise<Homeserver>,
): void {
  describe(name, () => {
    let homeserver: Homeserver | undefined;
    let users: TwoUsers;

    beforeAll(async () => {
      if (absent !== undefined) return;
      homeserver = await begin();
      users = await twoUsersAt(homeserver);
    }, SLOW_MS);
    beforeEach((context) => context.skip(absent !== undefined, absent));
    afterAll(() => homeserver?.[Symbol.asyncDispose]());

    roomBehaviours(() => users);
    syncBehaviours(() => users);

    it('knows after a restart what it knew before', { timeout: SLOW_MS }, async () => {
      const { homeserver, anna, bob, shared } = users;
      const room = await shared();
      const { next_batch: since } = await bob.sync();
      const say = () => anna.send(room, 'm.room.message', { msgtype: 'm.text', body: 'before' }, 'kept');
      const id = await say();
      await homeserver.stop();
      await expect(anna.say(room, 'to nobody')).rejects.toThrow('fetch failed');
      const seeing = bob.sees(room, (event) => event.content.body === 'after', SLOW_MS);
      await homeserver.start();
      expect(await say()).toBe(id);
      await anna.say(room, 'after');
      expect((await seeing).sender).toBe(anna.userId);
      const { rooms } = await bob.sync({ since });
      expect(rooms.join[room]?.timeline.events.map(textOf)).toEqual(['before', 'after']);
    });

    it('knows it after a crash too; and limits by default how often one may write or make a room', {
      timeout: SLOW_MS,
    }, async () => {
      const { homeserver } = users;
      const [dora, emil] = [await homeserver.user('dora'), await homeserver.user('emil')];
      const room = await emil.createRoom();
      const say = (txnId?: string) => emil.send(room, 'x.more', {}, txnId);
      const first = await say('first');
      await homeserver.kill();
      await homeserver.start({ rateLimits: true });
      const began = performance.now();
      expect(await say('first')).toBe(first);
      // An invitation, a topic and a redaction count as a message does; the same once more does not.
      await emil.invite(room, dora.userId);
      for (const topic of ['one', 'one']) await emil.setState(room, 'm.room.topic', { topic });
      await emil.redact(room, first);
      const writing = await untilLimited(() => say());
      expect(writing.made.length).toBeGreaterThanOrEqual(7);
      // One more is free every 5 s.
      expect(writing.made.length).toBeLessThanOrEqual(8 + (performance.now() - began) / 5_000);
      expect(writing.retryAfterMs).toBeGreaterThan(0);
      expect(writing.retryAfterMs).toBeLessThanOrEqual(5_000);
      expect(await say('first')).toBe(first);
      const making = await untilLimited(() => dora.createRoom());
      expect(making.made.length).toBe(10);
      expect(making.retryAfterMs).toBeGreaterThan(5_000);
      expect(making.retryAfterMs).toBeLessThanOrEqual(62_500);
    });
  });
}

behaviours('the fake homeserver', undefined, startFakeHomeserver);
behaviours('Synapse', synapseIsThere() ? undefined : SYNAPSE_ABSENT, startSynapse);
