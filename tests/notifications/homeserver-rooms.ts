import { expect, it } from 'vitest';
import { Person, path } from '../support/person.ts';
import { refusal, type TwoUsers, textOf } from './two-users.ts';

/** Who may do what in the rooms of a homeserver, and what becomes of what they do. */
export function roomBehaviours(users: () => TwoUsers): void {
  it('knows who asks by the token, as long as that is worth something', async () => {
    const { homeserver, anna } = users();
    const carol = await homeserver.user('carol');
    expect(await carol.ask('GET', '/account/whoami')).toMatchObject({ user_id: carol.userId });
    await carol.logout();
    await expect(carol.ask('GET', '/account/whoami')).rejects.toEqual(refusal(401, 'M_UNKNOWN_TOKEN'));
    const nobody = new Person(homeserver.url, '@nobody:mx.test', 'made-up');
    await expect(nobody.sync()).rejects.toEqual(refusal(401, 'M_UNKNOWN_TOKEN'));
    await expect(anna.ask('GET', '/no-such-thing')).rejects.toEqual(refusal(404, 'M_UNRECOGNIZED'));
  });

  it('gives an alias to one room', async () => {
    const { anna, bob } = users();
    const room = await anna.createRoom({
      name: 'Work',
      topic: 'All of it',
      room_alias_name: 'work',
      invite: [bob.userId],
    });
    await expect(anna.createRoom({ room_alias_name: 'work' })).rejects.toEqual(refusal(400, 'M_ROOM_IN_USE'));
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
    const { anna, bob, shared } = users();
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
    const { anna, bob } = users();
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
    const { anna, bob, shared } = users();
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
    const { anna, bob, shared } = users();
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
    const { anna, bob, shared } = users();
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
    const { anna, bob, shared } = users();
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
    expect(await anna.ask('GET', `${path`/rooms/${room}/state/m.room.topic/`}?format=event`)).toMatchObject({
      sender: bob.userId,
      type: 'm.room.topic',
      content: { topic: 'mine' },
    });
    await expect(anna.state(room, 'm.room.encryption')).rejects.toEqual(refusal(404, 'M_NOT_FOUND'));
  });

  it('wants the creator among the levels up to version 11, and not from 12 on', async () => {
    const { anna, bob } = users();
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

  it('takes an event of 60 kB and refuses one of 65', async () => {
    const { anna } = users();
    const room = await anna.createRoom();
    await anna.say(room, 'x'.repeat(60_000));
    await expect(anna.say(room, 'x'.repeat(65_000))).rejects.toEqual(refusal(413, 'M_TOO_LARGE'));
    const both = { formatted_body: 'x'.repeat(33_000) };
    await expect(anna.say(room, 'x'.repeat(33_000), both)).rejects.toEqual(refusal(413, 'M_TOO_LARGE'));
  });

  it('takes plain text in an encrypted room, and only its state says so', async () => {
    const { anna, bob, shared } = users();
    const room = await shared();
    await anna.encrypt(room);
    await bob.say(room, 'plain');
    expect(await bob.state(room, 'm.room.encryption')).toMatchObject({ algorithm: 'm.megolm.v1.aes-sha2' });
  });
}
