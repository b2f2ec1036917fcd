import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeHomeserver, startFakeHomeserver } from '../support/fake-homeserver.ts';
import type { Person } from '../support/person.ts';

/** What the fake can be told to do, which a real homeserver cannot. */
describe('the fake homeserver', () => {
  let homeserver: FakeHomeserver;
  let anna: Person;
  let room: string;

  beforeEach(async () => {
    homeserver = await startFakeHomeserver();
    anna = await homeserver.user('anna');
    room = await anna.createRoom();
  });
  afterEach(() => homeserver.stop());

  const bodies = async () => {
    homeserver.fault = () => undefined;
    return (await anna.events(room)).flatMap(({ content }) => content.body ?? []);
  };

  it('does nothing of what it refuses', async () => {
    homeserver.fault = (method) => (method === 'PUT' ? 'refuse' : undefined);
    await expect(anna.say(room, 'never')).rejects.toThrow('fetch failed');
    expect(await bodies()).toEqual([]);
  });

  it('does what it loses the answer of', async () => {
    homeserver.fault = (_, path) =>
      path === `/rooms/${room}/send/m.room.message/1` ? 'lose answer' : undefined;
    const say = () => anna.send(room, 'm.room.message', { msgtype: 'm.text', body: 'once' }, '1');
    await expect(say()).rejects.toThrow('fetch failed');
    expect(await bodies()).toEqual(['once']);
    await say();
    expect(await bodies()).toEqual(['once']);
  });

  it('lets a request hang until it stops, and does it not', async () => {
    const asked = Promise.withResolvers<void>();
    homeserver.fault = () => {
      asked.resolve();
      return 'hang';
    };
    const saying = expect(anna.say(room, 'never')).rejects.toThrow('fetch failed');
    await asked.promise;
    await homeserver.stop();
    await saying;
    await homeserver.start();
    expect(await bodies()).toEqual([]);
  });

  it('answers as it is told, by what is asked', async () => {
    homeserver.fault = (_method, _path, body) =>
      JSON.stringify(body).includes('bad') ? { status: 429, retryAfterMs: 1_500 } : undefined;
    await expect(anna.say(room, 'bad')).rejects.toMatchObject({
      status: 429,
      errcode: 'M_LIMIT_EXCEEDED',
      retryAfterMs: 1_500,
    });
    await anna.say(room, 'good');
    homeserver.fault = () => ({ status: 401, errcode: 'M_UNKNOWN_TOKEN' });
    await expect(anna.say(room, 'x')).rejects.toMatchObject({ status: 401, errcode: 'M_UNKNOWN_TOKEN' });
    expect(await bodies()).toEqual(['good']);
  });

  it('keeps what was asked, and when which event came', async () => {
    const [from, seen] = [performance.now(), homeserver.requests.length];
    await anna.send(room, 'm.room.message', { msgtype: 'm.text', body: 'one' }, '1');
    await expect(anna.send(room, 'm.room.message', {}, '2')).rejects.toThrow('400');
    await anna.members(room);
    expect(homeserver.requests.slice(seen)).toEqual([
      `PUT /rooms/${room}/send/m.room.message/1`,
      `PUT /rooms/${room}/send/m.room.message/2`,
      `GET /rooms/${room}/joined_members`,
    ]);
    const content = { msgtype: 'm.text', body: 'one' };
    const arrival = { sender: anna.userId, roomId: room, type: 'm.room.message' };
    expect(homeserver.arrivals).toEqual([
      { ...arrival, at: expect.any(Number), txnId: '1', content, status: 200 },
      { ...arrival, at: expect.any(Number), txnId: '2', content: {}, status: 400 },
    ]);
    const [one = 0, two = 0] = homeserver.arrivals.map(({ at }) => at);
    expect([from, one, two].toSorted((a, b) => a - b)).toEqual([from, one, two]);
  });
});
