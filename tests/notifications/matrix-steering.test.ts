import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { TASK_KEY } from '../../src/matrix/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import type { Homeserver } from '../support/homeserver.ts';
import { ask, bash } from '../support/steps.ts';
import { SteeringFixture } from './steering-fixture.ts';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge({
    config: { permission: { bash: 'ask' } },
    requests: { timeoutMs: 300_000 },
  });
});
afterAll(() => bridge.close());

const waits = (command = 'echo one') => [bash(command), { text: 'ok' }];
const closings = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'request_closed' ? [event] : []));
const said = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'message' ? [event.text] : []));
const controls = (task: Task) =>
  bridge
    .events(task)
    .flatMap((event) => (event.kind === 'control' ? [[event.control, event.by, event.reason]] : []));
const status = (task: Task) => bridge.now(task).status;
const isSettled = (task: Task) => bridge.until(task, ({ kind }) => kind === 'request_opened');

describe('a task is steered from its room', () => {
  let server: Homeserver;
  beforeAll(async () => {
    server = await startFakeHomeserver();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const open = () => SteeringFixture.open(server, bridge);

  it('every command does what it says, and is acknowledged', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const { task, root } = await fixture.task(waits());
    await isSettled(task);
    await fixture.steer();
    const command = async (body: string) => {
      const id = await ann.sayInThread(room, root, body);
      return { id, ack: await fixture.ack(id) };
    };

    const shown = await command('!status');
    expect(shown.ack).toBe('✅');
    const text = await fixture.note(shown.id);
    expect(text).toContain(`${task.id} is waiting for an answer.`);
    expect(text).toContain('Allow bash: echo one\nReply allow, always or no');
    expect(text).toContain('tokens, $');
    const notice = await ann.sees(room, ({ content }) => content.body === text);
    expect(notice.content).toMatchObject({
      msgtype: 'm.notice',
      'm.relates_to': { rel_type: 'm.thread', event_id: root, 'm.in_reply_to': { event_id: shown.id } },
      [TASK_KEY]: { task_id: task.id, event_type: 'answer' },
    });

    expect(await fixture.note((await command('!help')).id)).toContain('!cancel [reason]');
    const unknown = await command('!stop');
    expect(unknown.ack).toBe('❌');
    expect(await fixture.note(unknown.id)).toContain('There is no command "!stop".\nIn a task\'s thread');

    const plain = await command('and mind the tests');
    expect(plain.ack).toBe('✅');
    expect(await fixture.note(plain.id)).toContain('after its request is answered');
    // After it was resumed, the task waits again.
    const more = `use yarn ${scriptText(waits('echo two'))}`;
    expect((await command(`!SAY ${more}`)).ack).toBe('✅');
    expect(said(task)).toEqual(['and mind the tests', more]);
    expect((await command('!say ')).ack).toBe('❌');

    expect((await command('!pause lunch')).ack).toBe('✅');
    expect(status(task)).toBe('paused');
    expect((await command('!resume')).ack).toBe('✅');
    expect((await command('!cancel wrong branch')).ack).toBe('✅');
    expect(status(task)).toBe('cancelled');
    expect(controls(task)).toEqual([
      ['pause', ann.userId, 'lunch'],
      ['resume', ann.userId, undefined],
      ['cancel', ann.userId, 'wrong branch'],
    ]);
    const late = await command('one more thing');
    expect(late.ack).toBe('❌');
    expect(await fixture.note(late.id)).toContain('has ended as cancelled');
    expect(await fixture.answers(plain.id)).toHaveLength(2);
  });

  it('a question is answered by a number, by words or by a reaction', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const which = ask('Which color?', 'Red', 'Blue');
    const { task, root } = await fixture.task([which, which, which, { text: 'ok' }]);
    await fixture.steer();
    const first = await fixture.request(task, root);
    const none = await ann.replyInThread(room, root, first.message, '3');
    expect(await fixture.note(none)).toContain('There is no option 3: the options are 1 to 2.');
    await ann.react(room, first.message, '✅');
    expect(await fixture.ack(await ann.replyInThread(room, root, first.message, 'blue'))).toBe('✅');
    const second = await fixture.request(task, root);
    await ann.react(room, second.message, '1️⃣');
    expect(await fixture.ack(second.message)).toBe('1️⃣');
    await fixture.request(task, root);
    expect(await fixture.ack(await ann.sayInThread(room, root, '!answer green; or so'))).toBe('✅');
    expect((await bridge.end(task)).status).toBe('completed');
    expect(closings(task).map(({ by, reply }) => [by, reply])).toEqual([
      [ann.userId, 'Blue'],
      [ann.userId, 'Red'],
      [ann.userId, 'green; or so'],
    ]);
  });

  it('of two open requests the one that is meant is answered, and only by whoever is first', async () => {
    await using fixture = await open();
    const { ann, bob, room } = fixture;
    const calls = ['echo one', 'echo two'].flatMap((command) => bash(command).tools ?? []);
    const { task, root } = await fixture.task([{ tools: calls }, { text: 'ok' }]);
    await fixture.steer({ allowedSenders: [bob.userId] });
    const first = await fixture.request(task, root);
    const second = await fixture.request(task, root);
    expect(bridge.now(task).requests).toHaveLength(2);
    const which = await ann.sayInThread(room, root, '!allow');
    expect(await fixture.ack(which)).toBe('❌');
    expect(await fixture.note(which)).toBe(
      'The task waits for 2 answers.\nReply or react to the one that you mean.',
    );
    expect(await fixture.ack(await bob.replyInThread(room, root, second.message, '!allow'))).toBe('✅');
    await ann.react(room, second.message, '❌');
    expect(await fixture.note(second.message)).toBe(`It was already answered by ${bob.userId}: once.`);
    expect(await fixture.ack(await ann.replyInThread(room, root, first.message, 'ok'))).toBe('✅');
    const again = await ann.replyInThread(room, root, first.message, 'ok');
    expect(await fixture.note(again)).toBe(`It was already answered by ${ann.userId}: once.`);
    await bridge.end(task);
    expect(closings(task).map(({ request_id, by, reply }) => [request_id, by, reply])).toEqual([
      [second.request.id, bob.userId, 'once'],
      [first.request.id, ann.userId, 'once'],
    ]);
  });

  it('only those who may steer; the others get one refusal, and their conversation is ignored', async () => {
    await using fixture = await open();
    const { ann, bob, bot, room } = fixture;
    const { task, root } = await fixture.task(waits());
    await fixture.steer();
    const { message } = await fixture.request(task, root);
    const first = await bob.replyInThread(room, root, message, '!cancel');
    expect(await fixture.ack(first)).toBe('⛔');
    expect(await fixture.note(first)).toContain('Only people with power level 50 and up in this room');
    const talk = await bob.sayInThread(room, root, 'I would cancel it');
    const question = await bob.replyInThread(room, root, message, 'what is this?');
    await bob.react(room, message, '👍');
    expect(await fixture.ack(message)).toBe('⛔');
    const yes = await bob.replyInThread(room, root, message, 'yes');
    expect(await fixture.ack(yes)).toBe('⛔');
    const [refusal = ''] = (await fixture.answers(first)).flatMap(({ type, event_id }) =>
      type === 'm.room.message' ? [event_id] : [],
    );
    await ann.react(room, refusal, '👍');
    const counts = await Promise.all([first, talk, question, message, yes].map((id) => fixture.answers(id)));
    expect(counts.map(({ length }) => length)).toEqual([2, 0, 0, 1, 1]);
    expect([said(task), controls(task), status(task)]).toEqual([[], [], 'input_required']);

    const levels = await bot.state(room, 'm.room.power_levels');
    const users = { ...Object(levels.users), [ann.userId]: 0, [bob.userId]: 50 };
    await bot.setState(room, 'm.room.power_levels', { ...levels, users });
    expect(await fixture.ack(await bob.sayInThread(room, root, '!cancel'))).toBe('✅');
    expect(status(task)).toBe('cancelled');
    expect(closings(task)).toMatchObject([{ by: 'end of task' }]);

    await ann.react(room, message, '👎');
    expect(await fixture.ack(await ann.sayInThread(room, root, '!status'))).toBe('⛔');
    expect(await fixture.answers(message)).toHaveLength(1);
  });

  it('the creators of a room of version 12 may steer without a power level', async () => {
    await using fixture = await open();
    const { ann, bob, bot } = fixture;
    const room = await ann.createRoom({
      room_version: '12',
      creation_content: { additional_creators: [bob.userId] },
      invite: [bot.userId, bob.userId],
    });
    await Promise.all([bot.join(room), bob.join(room)]);
    fixture.room = room;
    const { task, root } = await fixture.task(waits());
    await isSettled(task);
    await fixture.steer();
    expect(await fixture.ack(await ann.sayInThread(room, root, '!pause'))).toBe('✅');
    expect(await fixture.ack(await bob.sayInThread(room, root, '!cancel'))).toBe('✅');
    expect(status(task)).toBe('cancelled');
  });

  it('of two tasks in a room each is steered from its own thread', async () => {
    await using fixture = await open();
    const { ann, room } = fixture;
    const [one, two] = [await fixture.task(waits()), await fixture.task(waits())];
    await Promise.all([isSettled(one.task), isSettled(two.task)]);
    await fixture.steer();
    const posted = await Promise.all([
      ann.sayInThread(room, one.root, 'for one'),
      ann.sayInThread(room, two.root, 'for two'),
      ann.reply(room, two.root, 'two again'),
    ]);
    for (const id of posted) expect(await fixture.ack(id)).toBe('✅');
    expect(said(one.task)).toEqual(['for one']);
    expect(said(two.task).toSorted()).toEqual(['for two', 'two again']);
    const list = await fixture.note(await ann.say(room, '!status'));
    expect(list).toContain(`${one.task.id} is waiting for an answer: Please do this`);
    expect(list).toContain(two.task.id);
    const cancel = await ann.say(room, '!cancel');
    expect(await fixture.note(cancel)).toContain('It is not clear which task you mean.');
    const { root } = one;
    expect(await fixture.ack(await ann.sayInThread(room, root, '!cancel'))).toBe('✅');
    expect([status(one.task), status(two.task)]).toEqual(['cancelled', 'input_required']);
  });

  it('in room mode all that is said in the room of a task is for it', async () => {
    await using fixture = await open();
    const { ann, bot } = fixture;
    const { task } = await fixture.task(waits());
    await isSettled(task);
    const mark = { type: TASK_KEY, state_key: '', content: { task_id: task.id } };
    const room = await fixture.newRoom({ initial_state: [mark] });
    const forged = await fixture.newRoom();
    const levels = await bot.state(forged, 'm.room.power_levels');
    await bot.setState(forged, 'm.room.power_levels', { ...levels, state_default: 50 });
    await ann.setState(forged, TASK_KEY, { task_id: task.id });
    await fixture.steer({ mode: 'room', roomId: () => undefined });
    const ignored = [await ann.say(fixture.room, 'elsewhere'), await ann.say(forged, '!cancel')];
    const plain = await ann.say(room, 'use yarn');
    expect(await fixture.ack(plain, room)).toBe('✅');
    expect(await fixture.note(plain, room)).toContain('after its request is answered');
    await ann.edit(room, plain, 'use npm');
    const shown = await ann.say(room, '!status');
    expect(await fixture.note(shown, room)).toContain(`${task.id} is waiting for an answer.`);
    expect(said(task)).toEqual(['use yarn']);
    expect(await fixture.answers(ignored[0] ?? '', fixture.room)).toEqual([]);
    expect(await fixture.answers(ignored[1] ?? '', forged)).toEqual([]);
    const note = (await fixture.answers(plain, room)).find(({ type }) => type === 'm.room.message');
    expect(note?.content['m.relates_to']).toEqual({ 'm.in_reply_to': { event_id: plain } });
  });

  it("what is not a person's word in a thread of the bridge is not acted on", async () => {
    await using fixture = await open();
    const { ann, bob, bot, room } = fixture;
    const { task, root } = await fixture.task(waits());
    await isSettled(task);
    const before = await ann.sayInThread(room, root, '!cancel before it listened');
    await fixture.steer({ allowedSenders: [bot.userId] });
    const forged = await bob.say(room, 'A task', { [TASK_KEY]: { task_id: task.id, event_type: 'created' } });
    const thread = { rel_type: 'm.thread', event_id: root };
    const ignored = [
      before,
      await bot.sayInThread(room, root, '!cancel'),
      await ann.send(room, 'm.room.message', {
        msgtype: 'm.notice',
        body: '!cancel',
        'm.relates_to': thread,
      }),
      await ann.edit(room, before, '!cancel by an edit'),
      await ann.say(room, 'what a day'),
      await ann.react(room, root, '👍'),
    ];
    const redacted = await ann.say(room, '!status');
    await ann.redact(room, redacted);
    const trapped = await ann.sayInThread(room, forged, '!cancel');
    expect(await fixture.note(trapped)).toContain('It is not clear which task you mean.');
    expect(await fixture.ack(await ann.sayInThread(room, root, '!pause'))).toBe('✅');
    for (const id of ignored) expect(await fixture.answers(id)).toEqual([]);
    expect(controls(task)).toEqual([['pause', ann.userId, undefined]]);
  });

  it('tells of its own rooms that they are encrypted', async () => {
    await using fixture = await open();
    const mark = { type: TASK_KEY, state_key: '', content: { task_id: 'task_1' } };
    const marked = await fixture.newRoom({ initial_state: [mark] });
    const heard: string[] = [];
    const posted = Promise.withResolvers<void>();
    const onEncrypted = (roomId: string): void => {
      heard.push(roomId);
      if (roomId === marked) posted.resolve();
    };
    await fixture.steer({ mode: 'room', roomId: () => undefined, onEncrypted });
    for (const room of [fixture.room, marked]) {
      const levels = await fixture.bot.state(room, 'm.room.power_levels');
      await fixture.bot.setState(room, 'm.room.power_levels', { ...levels, events: {}, state_default: 50 });
      await fixture.ann.encrypt(room);
    }
    await posted.promise;
    expect(new Set(heard)).toEqual(new Set([marked]));
  });
});
