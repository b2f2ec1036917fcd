import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RoomsOptions } from '../../src/notifications/matrix/rooms.ts';
import { fastClock } from '../support/clock.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import type { Homeserver } from '../support/homeserver.ts';
import { created } from '../tasks/created.ts';
import { Delivering, until } from './delivering.ts';
import {
  isEdit,
  kindOf,
  type MatrixRemote,
  markOf,
  matrixRemote,
  ownMatrixRemote,
  relationOf,
} from './matrix-remote.ts';
import { sinkContract } from './sink-contract.ts';
import { completed, output, permission, QUESTION, STARTED } from './task-events.ts';

describe('the sink Matrix', () => {
  let homeserver: Homeserver;
  beforeAll(async () => {
    homeserver = await startFakeHomeserver();
  });
  afterAll(() => homeserver[Symbol.asyncDispose]());

  sinkContract('Matrix', () => ownMatrixRemote(startFakeHomeserver));

  describe('a room with a thread for each task', () => {
    let far: MatrixRemote;
    let bridge: Delivering;

    const open = async (options: Partial<RoomsOptions> = {}) => {
      far = await matrixRemote(homeserver, options);
      bridge = await Delivering.to((parts) => far.sink(parts));
    };
    afterEach(async () => {
      await bridge[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    });
    const posted = async (roomId = far.roomId) =>
      (await far.human.events(roomId)).filter(
        ({ sender, type }) => sender === far.bot.userId && type === 'm.room.message',
      );
    const seen = (kind: string) => far.human.sees(far.roomId, (event) => kindOf(event) === kind);
    const cardOf = async (taskId: string) =>
      (await posted()).find(
        (event) => kindOf(event) === 'created' && markOf(event.content)?.task_id === taskId && !isEdit(event),
      );
    const shownCard = async () => {
      const edits = (await posted()).filter((event) => kindOf(event) === 'created');
      const content = edits.at(-1)?.content ?? {};
      return content['m.new_content'] ?? content;
    };

    it('begins each with who, what and where, of which nothing is markup', async () => {
      await open();
      bridge.log.create(
        'task_1',
        created({ agent_id: 'agent-<7>', description: 'Fix <b>it</b> & "that"\nnow' }),
        'p',
      );
      expect((await seen('created')).content).toMatchObject({
        msgtype: 'm.notice',
        format: 'org.matrix.custom.html',
        body: expect.stringContaining('Fix <b>it</b> & "that" now'),
        formatted_body: expect.stringContaining('Fix &lt;b&gt;it&lt;/b&gt; &amp; &quot;that&quot; now'),
        'io.letta.task': { task_id: 'task_1', event_type: 'created', status: 'queued' },
      });
      const { body } = (await seen('created')).content;
      expect(body).toMatch(/agent-<7>.*\/workspaces\/task_1/);
      expect(body).toMatch(/> Fix <b>it<\/b> & "that"\n> now/);
    });

    it('asks what the task asks, and shows who answered', async () => {
      await open();
      bridge.create('task_1', 'agent-1', STARTED, permission());
      const asked = await seen('request_opened');
      expect(asked.content).toMatchObject({
        msgtype: 'm.text',
        'io.letta.task': { task_id: 'task_1', request_id: 'per_1' },
        'm.relates_to': { rel_type: 'm.thread' },
        body: expect.stringMatching(/rm -rf build.*bash.*rm -rf \*.*!allow.*!always.*!deny/s),
      });
      bridge.log.append('task_1', {
        kind: 'request_closed',
        request_id: 'per_1',
        by: 'agent-1',
        reply: 'once',
      });
      const closed = await seen('request_closed');
      expect(closed.content).toMatchObject({
        'm.relates_to': { rel_type: 'm.replace', event_id: asked.event_id },
        'm.new_content': { body: expect.stringMatching(/rm -rf build\nAnswered by agent-1: once/) },
      });
      bridge.log.append('task_1', QUESTION);
      await until(
        async () => (await posted()).filter((event) => kindOf(event) === 'request_opened').length === 2,
      );
      const question = (await posted()).findLast((event) => kindOf(event) === 'request_opened');
      expect(question?.content.body).toMatch(
        /Which colour shall it have\?\n1\. red – like <b>blood<\/b>\n2\. blue/,
      );
      expect(question?.content.formatted_body).toContain('like &lt;b&gt;blood&lt;/b&gt;');
    });

    it('asks nobody what the policy answers', async () => {
      await open();
      const expires_at = 1;
      bridge.create('task_1', 'agent-1', STARTED, permission({ expires_at }));
      bridge.log.append(
        'task_1',
        { kind: 'request_closed', request_id: 'per_1', by: 'policy allow', reply: 'once' },
        completed(),
      );
      await bridge.settled('task_1');
      expect((await posted()).map(kindOf).filter((kind) => kind !== 'created')).toEqual(['completed']);
    });

    it('keeps two tasks apart', async () => {
      await open();
      bridge.create('task_1', 'agent-1', STARTED, permission(), completed());
      bridge.create('task_2', 'agent-2', STARTED, permission(), completed());
      await Promise.all(['task_1', 'task_2'].map((taskId) => bridge.settled(taskId)));
      for (const taskId of ['task_1', 'task_2']) {
        const root = (await cardOf(taskId))?.event_id;
        const others = (await posted()).filter(
          (event) => markOf(event.content)?.task_id === taskId && event.event_id !== root,
        );
        expect(others.filter((event) => !isEdit(event)).map(kindOf)).toEqual(['request_opened', 'completed']);
        for (const event of others) expect(relationOf(event)).toMatchObject({ event_id: root });
      }
    });

    it('calls those who are to see it, and says who cannot', async () => {
      await open({ observers: ['@nobody:elsewhere.test'] });
      const observers = [far.human.userId, '@ben:mx.test'];
      bridge.log.create('task_1', created({ observers }), 'p');
      bridge.log.append('task_1', STARTED, completed());
      await bridge.settled('task_1');
      const outcome = await seen('completed');
      expect(outcome.content['m.mentions']).toEqual({
        user_ids: ['@nobody:elsewhere.test', far.human.userId, '@ben:mx.test'],
      });
      expect(await shownCard()).toMatchObject({
        body: expect.stringMatching(
          /@nobody:elsewhere\.test could not be invited: .*\n.*@ben:mx\.test is not in this room/,
        ),
      });
    });

    it('sends nothing that is too large, however long the words are', async () => {
      await open();
      const long = '"<&>\u{1F600}\u0007'.repeat(20_000);
      bridge.log.create('task_1', created({ description: long }), 'p');
      bridge.log.append('task_1', STARTED, output(long), permission({ title: long, patterns: [long, long] }));
      bridge.log.append('task_1', completed(long.slice(0, 4_000), 100));
      await bridge.settled('task_1');
      expect((await posted()).filter((event) => !isEdit(event)).map(kindOf)).toEqual([
        'created',
        'request_opened',
        'completed',
      ]);
    });

    it('refuses an encrypted room, and says so', async () => {
      await open();
      await far.human.encrypt(far.roomId);
      bridge.create('task_1', 'agent-1', STARTED);
      await until(() => bridge.delivery.health().status === 'degraded');
      expect(bridge.delivery.health().detail).toContain(`the room ${far.roomId} is encrypted`);
      expect(bridge.delivery.health().detail).toContain('MATRIX_ROOM_ID');
      expect(await posted()).toEqual([]);
    });

    it('refuses a room from when it is heard that it became encrypted', async () => {
      await open();
      bridge.create('task_1', 'agent-1', STARTED);
      await until(async () => markOf((await posted()).at(-1)?.content ?? {})?.status === 'running');
      const ids = async () => (await posted()).map(({ event_id }) => event_id);
      const before = await ids();
      await far.human.encrypt(far.roomId);
      far.rooms()?.becameEncrypted(far.roomId);
      bridge.log.append('task_1', completed());
      await until(() => bridge.delivery.health().status === 'degraded');
      expect(bridge.delivery.health().detail).toContain(`the room ${far.roomId} is encrypted`);
      expect(await ids()).toEqual(before);
    });

    it.each<[string, Partial<RoomsOptions>, RegExp]>([
      [
        'an account that is not the token’s',
        { userId: '@other:mx.test' },
        /MATRIX_ACCESS_TOKEN belongs to @bridge-\d+:mx\.test/,
      ],
      ['a room that it may not enter', { roomId: '!nowhere:mx.test' }, /Matrix: join: HTTP 4\d\d M_/],
    ])('says what is wrong with %s', async (_, options, says) => {
      await open(options);
      bridge.create('task_1', 'agent-1', STARTED);
      await until(() => bridge.delivery.health().status === 'degraded');
      expect(bridge.delivery.health().detail).toMatch(says);
    });

    it('says that the token is worth nothing', async () => {
      await open();
      await far.bot.logout();
      bridge.create('task_1', 'agent-1', STARTED);
      await until(() => bridge.delivery.health().status === 'degraded');
      expect(bridge.delivery.health().detail).toContain('M_UNKNOWN_TOKEN (MATRIX_ACCESS_TOKEN)');
      expect(bridge.delivery.health().detail).not.toContain(far.bot.token);
    });

    it('makes the room where none is named, once', async () => {
      await open({ roomId: undefined });
      for (const taskId of ['task_1', 'task_2']) {
        bridge.create(taskId, 'agent-1', STARTED, completed());
        await bridge.settled(taskId);
        await bridge.restart();
      }
      const roomId = await far.bot.join(`#opencode-tasks-${far.bot.userId.slice(1)}`);
      const cards = (await far.bot.events(roomId)).filter(
        (event) => kindOf(event) === 'created' && !isEdit(event),
      );
      expect(cards.map(({ content }) => markOf(content)?.task_id)).toEqual(['task_1', 'task_2']);
    });
  });

  describe('where the server limits as Synapse does by default', () => {
    it('tells all of several busy tasks, each thing once, and is seldom refused', {
      timeout: 240_000,
    }, async () => {
      const factor = 10;
      await using strict = await startFakeHomeserver({ rateLimits: true, now: fastClock(factor).now });
      await using far = await matrixRemote(strict);
      await using bridge = await Delivering.to((parts) => far.sink(parts), 86_400_000, factor);
      const ids = ['task_1', 'task_2', 'task_3'];
      for (const taskId of ids) bridge.create(taskId, taskId, STARTED, output('begins'), permission());
      for (let n = 0; n < 3; n += 1) {
        const asked = far.proxy.statuses.length;
        for (const taskId of ids) bridge.log.append(taskId, output(`step ${n}`));
        await until(() => far.proxy.statuses.length > asked);
      }
      for (const taskId of ids) {
        bridge.log.append(
          taskId,
          { kind: 'request_closed', request_id: 'per_1', by: 'agent-1', reply: 'once' },
          completed(),
        );
      }
      for (const taskId of ids) await bridge.settled(taskId);
      const all = (await far.human.events(far.roomId)).filter(({ sender }) => sender === far.bot.userId);
      for (const taskId of ids) {
        const posted = all.filter(({ content }) => markOf(content)?.task_id === taskId);
        expect(posted.filter((event) => !isEdit(event)).map(kindOf)).toEqual([
          'created',
          'request_opened',
          'completed',
        ]);
        expect(posted.filter((event) => kindOf(event) === 'request_closed')).toHaveLength(1);
        expect(markOf(posted.findLast((event) => kindOf(event) === 'created')?.content ?? {})?.status).toBe(
          'completed',
        );
      }
      const refused = far.proxy.statuses.filter((status) => status === 429).length;
      expect(refused).toBeGreaterThan(0);
      expect(refused).toBeLessThan(all.length);
      expect(bridge.delivery.health()).toMatchObject({ status: 'ok', detail: 'up to date' });
    });
  });

  describe('a private room for each task', () => {
    it('has the observers in it, those of the operator may steer, and the card names a bad one', async () => {
      const observers = ['@ann:mx.test', '@nobody:elsewhere.test'];
      await using far = await matrixRemote(homeserver, { mode: 'room', observers });
      const ben = await far.homeserver.user('ben');
      await using bridge = await Delivering.to((parts) => far.sink(parts));
      far.proxy.fault = (method, path) =>
        method === 'POST' && path.includes('/createRoom') ? 'lose answer' : undefined;
      bridge.log.create('task_1', created({ observers: [ben.userId] }), 'p');
      await until(() => bridge.delivery.health().status === 'degraded');
      far.proxy.fault = () => undefined;
      bridge.log.append('task_1', STARTED, permission(), completed());
      await bridge.settled('task_1');
      const roomId = await far.human.join('#opencode-task_1:mx.test');
      await ben.join(roomId);
      const all = (await far.human.events(roomId)).filter(({ type }) => type === 'm.room.message');
      expect(all.filter((event) => !isEdit(event)).map(kindOf)).toEqual([
        'created',
        'request_opened',
        'completed',
      ]);
      expect(all.flatMap((event) => (isEdit(event) ? [] : (relationOf(event) ?? [])))).toEqual([]);
      expect(all[0]?.content.body).toContain('@nobody:elsewhere.test could not be invited');
      const { users } = await far.human.state(roomId, 'm.room.power_levels');
      expect(users).toMatchObject({ [far.bot.userId]: 100, '@ann:mx.test': 50 });
      expect(users).not.toHaveProperty(ben.userId);
      expect(await far.human.state(roomId, 'io.letta.task')).toEqual({ task_id: 'task_1' });
    });
  });
});
