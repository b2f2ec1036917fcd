import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import {
  type Homeserver,
  type HomeserverOptions,
  SYNAPSE_ABSENT,
  startSynapse,
  synapseIsThere,
} from '../support/homeserver.ts';
import { Person, path, Refused, type RoomEvent } from '../support/person.ts';

/** How a homeserver refuses. */
const refusal = (status: number, errcode: string) => expect.objectContaining({ status, errcode });
const textOf = ({ type, content }: Pick<RoomEvent, 'type' | 'content'>) => content.body ?? type;
/** Two cores that are busy take their time to start a server. */
const SLOW_MS = 180_000;
const MESSAGES = { types: ['m.room.message'] };

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
    let homeserver: Homeserver;
    let anna: Person;
    let bob: Person;

    beforeAll(async () => {
      if (absent !== undefined) return;
      homeserver = await begin();
      [anna, bob] = [await homeserver.user('anna'), await homeserver.user('bob')];
    }, SLOW_MS);
    beforeEach((context) => context.skip(absent !== undefined, absent));
    afterAll(() => homeserver?.[Symbol.asyncDispose]());

    /** A room that Anna made and Bob joined. */
    const shared = async (options: object = {}): Promise<string> => {
      const room = await anna.createRoom({ invite: [bob.userId], ...options });
      await bob.join(room);
      return room;
    };

    it('knows who asks by the token, as long as that is worth something', async () => {
      const carol = await homeserver.user('carol');
      expect(await carol.ask('GET', '/account/whoami')).toMatchObject({ user_id: carol.userId });
      await carol.logout();
      await expect(carol.ask('GET', '/account/whoami')).rejects.toEqual(refusal(401, 'M_UNKNOWN_TOKEN'));
      const nobody = new Person(homeserver.url, '@nobody:mx.test', 'made-up');
      await expect(nobody.sync()).rejects.toEqual(refusal(401, 'M_UNKNOWN_TOKEN'));
      await expect(anna.ask('GET', '/no-such-thing')).rejects.toEqual(refusal(404, 'M_UNRECOGNIZED'));
    });

    it('gives an alias to one room', async () => {
      const room = await anna.createRoom({
        name: 'Work',
        topic: 'All of it',
        room_alias_name: 'work',
        invite: [bob.userId],
      });
      await expect(anna.createRoom({ room_alias_name: 'work' })).rejects.toEqual(
        refusal(400, 'M_ROOM_IN_USE'),
      );
      expect(await bob.join('#work:mx.test')).toBe(room);
      expect(await bob.join(room)).toBe(room);
      expect(await anna.ask('GET', path`/directory/room/${'#work:mx.test'}`)).toMatchObject({
        room_id: room,
      });
      expect(await bob.state(room, 'm.room.name')).toEqual({ name: 'Work' });
      expect(await bob.state(room, 'm.room.topic')).toMatchObject({ topic: 'All of it' });
      expect(await anna.ask('GET', '/joined_rooms')).toEqual({
        joined_rooms: expect.arrayContaining([room]),
      });
      await expect(bob.join('#play:mx.test')).rejects.toEqual(refusal(404, 'M_NOT_FOUND'));
      expect((await anna.events(room)).map(({ type, state_key }) => `${type} ${state_key}`)).toEqual([
        'm.room.create ',
        `m.room.member ${anna.userId}`,
        'm.room.power_levels ',
        'm.room.canonical_alias ',
        'm.room.join_rules ',
        'm.room.history_visibility ',
        'm.room.guest_access ',
        'm.room.name ',
        'm.room.topic ',
        `m.room.member ${bob.userId}`,
        `m.room.member ${bob.userId}`,
      ]);
    });

    it('invites who can be invited; one who cannot fails the making of a room, which may be there all the same', async () => {
      const room = await shared();
      await expect(anna.invite(room, bob.userId)).rejects.toEqual(refusal(403, 'M_FORBIDDEN'));
      await expect(anna.invite(room, '@far:other.test')).rejects.toEqual(refusal(403, 'M_FORBIDDEN'));
      await expect(anna.invite(room, 'bob')).rejects.toEqual(refusal(400, 'M_INVALID_PARAM'));
      await anna.invite(room, '@nobody:mx.test');
      await anna.invite(room, '@nobody:mx.test');
      const failing = (room_alias_name: string, userId: string) =>
        anna.createRoom({ room_alias_name, invite: [bob.userId, userId] });
      await expect(failing('bad', 'bob')).rejects.toEqual(refusal(400, 'M_UNKNOWN'));
      await expect(anna.join('#bad:mx.test')).rejects.toEqual(refusal(404, 'M_NOT_FOUND'));
      await expect(failing('far', '@far:other.test')).rejects.toEqual(refusal(403, 'M_FORBIDDEN'));
      await expect(failing('far', '@nobody:mx.test')).rejects.toEqual(refusal(400, 'M_ROOM_IN_USE'));
      expect(await anna.members(await bob.join('#far:mx.test'))).toEqual([anna.userId, bob.userId]);
    });

    it('lets nobody in, read or write who was not invited, or was removed', async () => {
      const room = await anna.createRoom();
      const first = await anna.say(room, 'hello');
      const forbidden = refusal(403, 'M_FORBIDDEN');
      await expect(bob.join(room)).rejects.toEqual(forbidden);
      await expect(bob.say(room, 'hello')).rejects.toEqual(forbidden);
      await expect(bob.events(room)).rejects.toEqual(forbidden);
      await expect(bob.members(room)).rejects.toEqual(forbidden);
      await expect(bob.state(room, 'm.room.power_levels')).rejects.toEqual(forbidden);
      await expect(bob.event(room, first)).rejects.toEqual(refusal(404, 'M_NOT_FOUND'));
      await expect(bob.say('!none:mx.test', 'hello')).rejects.toEqual(forbidden);
      await anna.invite(room, bob.userId);
      await bob.join(room);
      expect(await bob.members(room)).toEqual([anna.userId, bob.userId]);
      await expect(bob.kick(room, anna.userId)).rejects.toEqual(forbidden);
      await anna.kick(room, bob.userId, 'enough');
      await anna.say(room, 'without Bob');
      await expect(bob.say(room, 'hello')).rejects.toEqual(forbidden);
      await expect(anna.kick(room, bob.userId)).rejects.toEqual(forbidden);
      const [last] = (await bob.messages(room, { dir: 'b', limit: '1' })).chunk;
      expect(last?.content).toMatchObject({ membership: 'leave', reason: 'enough' });
      await anna.leave(room);
      await expect(anna.say(room, 'hello')).rejects.toEqual(forbidden);
    });

    it('takes a transaction once, and tells its sender which it was', async () => {
      const room = await shared();
      const { next_batch: since } = await anna.sync();
      const id = await anna.send(room, 'm.room.message', { msgtype: 'm.text', body: 'one' }, 'txn');
      expect(await anna.send(room, 'm.room.message', { msgtype: 'm.text', body: 'two' }, 'txn')).toBe(id);
      const theirs = await bob.send(room, 'm.room.message', { msgtype: 'm.text', body: 'mine' }, 'txn');
      expect(theirs).not.toBe(id);
      const timeline = (await anna.sync({ since })).rooms.join[room]?.timeline.events ?? [];
      expect(timeline.map((event) => [textOf(event), event.unsigned.transaction_id])).toEqual([
        ['one', 'txn'],
        ['mine', undefined],
      ]);
    });

    it('keeps what people write as they wrote it, whatever is said of it later', async () => {
      const room = await shared();
      const root = await anna.say(room, 'root');
      const second = await bob.sayInThread(room, root, 'in the thread');
      await bob.replyInThread(room, root, second, 'to that');
      await bob.reply(room, root, 'outside');
      await anna.edit(room, root, 'better');
      await bob.send(room, 'io.letta.control', { control: 'cancel' });
      expect(await bob.event(room, root)).toMatchObject({ content: { msgtype: 'm.text', body: 'root' } });
      expect((await anna.events(room)).slice(-5).map(({ content }) => content['m.relates_to'])).toEqual([
        { rel_type: 'm.thread', event_id: root, is_falling_back: true, 'm.in_reply_to': { event_id: root } },
        {
          rel_type: 'm.thread',
          event_id: root,
          is_falling_back: false,
          'm.in_reply_to': { event_id: second },
        },
        { 'm.in_reply_to': { event_id: root } },
        { rel_type: 'm.replace', event_id: root },
        undefined,
      ]);
      await expect(anna.send(room, 'm.room.message', { body: 'no type' })).rejects.toEqual(
        refusal(400, 'M_UNKNOWN'),
      );
      await expect(anna.sayInThread(room, '$none', 'lost')).rejects.toEqual(refusal(400, 'M_UNKNOWN'));
      await expect(anna.event(room, '$none')).rejects.toEqual(refusal(404, 'M_NOT_FOUND'));
    });

    it('takes a reaction once, until it is taken back', async () => {
      const room = await shared();
      const message = await anna.say(room, 'well?');
      const reaction = await bob.react(room, message, '👀');
      await expect(bob.react(room, message, '👀')).rejects.toEqual(refusal(400, 'M_DUPLICATE_ANNOTATION'));
      await bob.react(room, message, '✅');
      await anna.react(room, message, '👀');
      await bob.redact(room, reaction, 'no');
      const taken = await anna.event(room, reaction);
      expect(taken).toMatchObject({
        content: {},
        unsigned: { redacted_because: { content: { reason: 'no' } } },
      });
      await bob.react(room, message, '👀');
      await expect(bob.redact(room, message)).rejects.toEqual(refusal(403, 'M_FORBIDDEN'));
      const redaction = await anna.redact(room, await bob.say(room, 'rude'));
      expect((await bob.events(room)).at(-1)).toMatchObject({
        type: 'm.room.redaction',
        event_id: redaction,
      });
    });

    it('asks for power where the levels do', async () => {
      const room = await shared({ power_level_content_override: { users: { [anna.userId]: 100 } } });
      const forbidden = refusal(403, 'M_FORBIDDEN');
      await expect(bob.setState(room, 'm.room.topic', { topic: 'mine' })).rejects.toEqual(forbidden);
      await bob.send(room, 'x.custom', {});
      const levels = await anna.state(room, 'm.room.power_levels');
      await expect(bob.setState(room, 'm.room.power_levels', levels)).rejects.toEqual(forbidden);
      await anna.setState(room, 'm.room.power_levels', { ...levels, events_default: 50 });
      await expect(bob.say(room, 'closed?')).rejects.toEqual(forbidden);
      await expect(bob.react(room, await anna.say(room, 'closed'), '👍')).rejects.toEqual(forbidden);
      await anna.setState(room, 'm.room.power_levels', {
        ...levels,
        users: { [anna.userId]: 100, [bob.userId]: 50 },
      });
      await bob.setState(room, 'm.room.topic', { topic: 'mine' });
      await expect(bob.kick(room, anna.userId)).rejects.toEqual(forbidden);
      expect(await anna.ask('GET', `${path`/rooms/${room}/state/m.room.topic/`}?format=event`)).toMatchObject(
        { sender: bob.userId, type: 'm.room.topic', content: { topic: 'mine' } },
      );
      await expect(anna.state(room, 'm.room.encryption')).rejects.toEqual(refusal(404, 'M_NOT_FOUND'));
    });

    it('wants the creator among the levels up to version 11, and not from 12 on', async () => {
      const make = (room_version: string, users: object) =>
        anna.createRoom({ room_version, power_level_content_override: { users } });
      const [withAnna, withBob] = [{ [anna.userId]: 100 }, { [bob.userId]: 50 }];
      expect(await make('11', withAnna)).toMatch(/^!.+:mx\.test$/);
      await expect(make('11', withBob)).rejects.toEqual(refusal(400, 'M_UNKNOWN'));
      await expect(make('12', withAnna)).rejects.toEqual(refusal(400, 'M_UNKNOWN'));
      const room = await make('12', withBob);
      expect(room).toMatch(/^![^:]+$/);
      expect(await anna.state(room, 'm.room.power_levels')).toMatchObject({ users: withBob });
      await anna.setState(room, 'm.room.topic', { topic: 'mighty' });
      await expect(anna.setState(room, 'm.room.power_levels', { users: withAnna })).rejects.toEqual(
        refusal(400, 'M_UNKNOWN'),
      );
      expect(await anna.state(await anna.createRoom(), 'm.room.create')).toMatchObject({
        room_version: '11',
      });
    });

    it('shows after a gap the latest, and by messages the rest', async () => {
      const room = await shared();
      const { next_batch: since } = await bob.sync();
      for (let n = 1; n <= 15; n += 1) await anna.say(room, `${n}`);
      const { next_batch, rooms } = await bob.sync({ since });
      const timeline = rooms.join[room]?.timeline;
      expect(timeline?.limited).toBe(true);
      expect(timeline?.events.map(textOf)).toEqual(['6', '7', '8', '9', '10', '11', '12', '13', '14', '15']);
      const page = (query: Record<string, string>) => bob.messages(room, query);
      const gap = { dir: 'b', from: timeline?.prev_batch ?? '', to: since };
      const first = await page({ ...gap, limit: '3' });
      expect(first.chunk.map(textOf)).toEqual(['5', '4', '3']);
      const second = await page({ ...gap, from: first.end ?? '', limit: '3' });
      expect(second.chunk.map(textOf)).toEqual(['2', '1']);
      expect((await page({ ...gap, from: second.end ?? '' })).chunk).toEqual([]);
      const forward = await page({ dir: 'f', from: since, to: next_batch, limit: '4' });
      expect(forward.chunk.map(textOf)).toEqual(['1', '2', '3', '4']);
      const filter = JSON.stringify({ types: ['m.room.member'] });
      expect((await page({ dir: 'b', filter, limit: '1' })).chunk[0]).toMatchObject({
        state_key: bob.userId,
      });
    });

    it('shows of a room what the filter lets through', async () => {
      const [room, other] = [await shared(), await shared()];
      const { next_batch: since } = await bob.sync();
      for (const n of [1, 2, 3]) {
        await anna.say(room, `${n}`);
        await anna.send(room, 'x.custom', { n });
        await anna.say(other, 'elsewhere');
      }
      await anna.setState(room, 'm.room.topic', { topic: 'new' });
      const seen = async (limit: number) => {
        const filter = { rooms: [room], timeline: { ...MESSAGES, limit } };
        const { rooms } = await bob.sync({ since, room: filter });
        expect(Object.keys(rooms.join)).toEqual([room]);
        const { timeline, state } = rooms.join[room] ?? {};
        return [timeline?.events.map(textOf), timeline?.limited, state?.events.map(textOf)];
      };
      expect(await seen(3)).toEqual([['1', '2', '3'], false, ['m.room.topic']]);
      expect(await seen(2)).toEqual([['2', '3'], true, ['m.room.topic']]);
    });

    it('wakes who waits, and lets wait no longer than asked', async () => {
      const room = await shared();
      const { next_batch: since } = await bob.sync();
      const empty = await bob.sync({ since, waitMs: 200 });
      expect(empty.rooms).toEqual({ join: {}, invite: {}, leave: {} });
      const waiting = bob.sync({ since: empty.next_batch, waitMs: 50_000 });
      await anna.say(room, 'wake up');
      expect((await waiting).rooms.join[room]?.timeline.events.map(textOf)).toEqual(['wake up']);
    });

    it('shows a person what there is, and says what there was instead of what is wanted', async () => {
      const room = await shared();
      const seeing = bob.sees(room, (event) => event.content.body === 'at last');
      await anna.say(room, 'not yet');
      const id = await anna.say(room, 'at last');
      expect((await seeing).event_id).toBe(id);
      await expect(bob.sees(room, () => false, 2_000)).rejects.toThrow(/did not see it .*"at last"/s);
    });

    it('tells of invitations, of rooms just joined, and of the end in a room', async () => {
      const before = await bob.sync();
      const room = await anna.createRoom({ name: 'Work', invite: [bob.userId] });
      const invited = await bob.sync({ since: before.next_batch });
      const told = invited.rooms.invite[room]?.invite_state.events ?? [];
      expect(told).toContainEqual(expect.objectContaining({ content: { name: 'Work' } }));
      expect(told).toContainEqual(
        expect.objectContaining({
          state_key: bob.userId,
          content: expect.objectContaining({ membership: 'invite' }),
        }),
      );
      await bob.join(room);
      const joined = (await bob.sync({ since: invited.next_batch, room: { timeline: { limit: 1 } } })).rooms
        .join[room];
      expect(joined?.timeline.events.map((event) => event.state_key)).toEqual([bob.userId]);
      expect(joined?.timeline.limited).toBe(true);
      expect(joined?.state.events.map(({ type }) => type)).toEqual(
        expect.arrayContaining(['m.room.create', 'm.room.power_levels', 'm.room.name']),
      );
      expect(joined?.state.events.map((event) => event.state_key)).not.toContain(bob.userId);
      const { next_batch: since } = await bob.sync();
      await anna.say(room, 'last words');
      await anna.kick(room, bob.userId);
      await anna.say(room, 'unheard');
      const { rooms } = await bob.sync({ since });
      expect(rooms.leave[room]?.timeline.events.map(textOf)).toEqual(['last words', 'm.room.member']);
      expect(rooms.join[room]).toBeUndefined();
      const declined = await anna.createRoom({ invite: [bob.userId] });
      await bob.leave(declined);
      expect(Object.keys((await bob.sync({ since })).rooms.leave)).toContain(declined);
    });

    it('takes an event of 60 kB and refuses one of 65', async () => {
      const room = await anna.createRoom();
      await anna.say(room, 'x'.repeat(60_000));
      await expect(anna.say(room, 'x'.repeat(65_000))).rejects.toEqual(refusal(413, 'M_TOO_LARGE'));
      const both = { formatted_body: 'x'.repeat(33_000) };
      await expect(anna.say(room, 'x'.repeat(33_000), both)).rejects.toEqual(refusal(413, 'M_TOO_LARGE'));
    });

    it('takes plain text in an encrypted room, and only its state says so', async () => {
      const room = await shared();
      await anna.encrypt(room);
      await bob.say(room, 'plain');
      expect(await bob.state(room, 'm.room.encryption')).toMatchObject({ algorithm: 'm.megolm.v1.aes-sha2' });
    });

    it('knows after a restart what it knew before', { timeout: SLOW_MS }, async () => {
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
