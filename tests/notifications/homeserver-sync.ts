import { expect, it } from 'vitest';
import { type TwoUsers, textOf } from './two-users.ts';

const MESSAGES = { types: ['m.room.message'] };

/** What a homeserver tells of its rooms, when, and what it leaves out. */
export function syncBehaviours(users: () => TwoUsers): void {
  it('shows after a gap the latest, and by messages the rest', async () => {
    const { anna, bob, shared } = users();
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
    const { anna, bob, shared } = users();
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
    const { anna, bob, shared } = users();
    const room = await shared();
    const { next_batch: since } = await bob.sync();
    const empty = await bob.sync({ since, waitMs: 200 });
    expect(empty.rooms).toEqual({ join: {}, invite: {}, leave: {} });
    const waiting = bob.sync({ since: empty.next_batch, waitMs: 50_000 });
    await anna.say(room, 'wake up');
    expect((await waiting).rooms.join[room]?.timeline.events.map(textOf)).toEqual(['wake up']);
  });

  it('shows a person what there is, and says what there was instead of what is wanted', async () => {
    const { anna, bob, shared } = users();
    const room = await shared();
    const seeing = bob.sees(room, (event) => event.content.body === 'at last');
    await anna.say(room, 'not yet');
    const id = await anna.say(room, 'at last');
    expect((await seeing).event_id).toBe(id);
    await expect(bob.sees(room, () => false, 2_000)).rejects.toThrow(/did not see it .*"at last"/s);
  });

  it('tells of invitations, of rooms just joined, and of the end in a room', async () => {
    const { anna, bob } = users();
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
}
