import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import type { Homeserver } from '../support/homeserver.ts';
import { bash } from '../support/steps.ts';
import { Delivering, until } from './delivering.ts';
import { HOMESERVERS } from './homeservers.ts';
import { isEdit, kindOf, matrixRemote, relationOf } from './matrix-remote.ts';
import { SteeringFixture, until as untilExpected } from './steering-fixture.ts';
import { completed, output, STARTED, USAGE } from './task-events.ts';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge({
    config: { permission: { bash: 'ask' } },
    requests: { timeoutMs: 300_000 },
  });
});
afterAll(() => bridge.close());

const said = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'message' ? [event.text] : []));
const closings = (task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'request_closed' ? [event] : []));

describe.each(HOMESERVERS)('Matrix on $name', ({ name, start, absent }) => {
  let server: Homeserver;
  beforeAll(async () => {
    if (absent === undefined) server = await start();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  beforeEach((context) => context.skip(absent !== undefined, absent));

  it('keeps its first message up to date by edits, and tells the outcome by a new one', async () => {
    await using far = await matrixRemote(server, { observers: [] });
    await using delivering = await Delivering.to((parts) => far.sink(parts));
    const posted = async () =>
      (await far.human.events(far.roomId)).filter(
        ({ sender, type }) => sender === far.bot.userId && type === 'm.room.message',
      );
    const shownCard = async () =>
      (await posted()).findLast((event) => kindOf(event) === 'created')?.content['m.new_content'] ?? {};
    delivering.create('task_1', 'agent-1', STARTED);
    const card = await far.human.sees(far.roomId, (event) => kindOf(event) === 'created');
    delivering.log.append('task_1', output('Looking around.'));
    await until(async () => JSON.stringify(await shownCard()).includes('Looking around.'));
    delivering.log.append('task_1', USAGE, completed('It <works>.', 25));
    await delivering.settled('task_1');
    const all = await posted();
    expect(all.filter((event) => !isEdit(event)).map(kindOf)).toEqual(['created', 'completed']);
    for (const event of all.filter(isEdit))
      expect(relationOf(event)).toEqual({ rel_type: 'm.replace', event_id: card.event_id });
    expect(await shownCard()).toMatchObject({ 'io.letta.task': { status: 'completed' } });
    const outcome = all.find((event) => kindOf(event) === 'completed');
    expect(outcome?.content).toMatchObject({
      msgtype: 'm.text',
      'm.relates_to': { rel_type: 'm.thread', event_id: card.event_id },
      formatted_body: expect.stringContaining('<blockquote>It &lt;works&gt;.</blockquote>'),
    });
    const { body } = outcome?.content ?? {};
    expect(body).toContain('Files changed: 25');
    expect(body).toContain('src/file-0.ts modified +3 −1');
    expect(body).toContain('and 5 more');
    expect(body).toContain('1,234 tokens, $0.0425');
  });

  it('a permission is answered by a reaction, a reply or a command', async () => {
    await using fixture = await SteeringFixture.open(server, bridge);
    const { ann, room } = fixture;
    const steps = [bash('echo one'), bash('echo two'), bash('echo three'), bash('echo four'), { text: 'ok' }];
    // What is allowed always, is so for all sessions in the folder.
    const { task, root } = await fixture.task(steps, `lenient-${name}`);
    await fixture.steer();

    const first = await fixture.request(task, root);
    await ann.react(room, first.message, '👀');
    await ann.react(room, first.message, '👍🏽');
    expect(await fixture.ack(first.message)).toBe('👍🏽');

    const second = await fixture.request(task, root);
    const unclear = await ann.replyInThread(room, root, second.message, 'what does it do?');
    expect(await fixture.ack(unclear)).toBe('❌');
    const { event_id: hint, content } = await ann.sees(room, (event) =>
      String(event.content.body).startsWith(
        'That does not answer the request, and the agent did not get it.',
      ),
    );
    expect(content.body).toContain('Allow bash: echo two\nReply allow, always or no');
    const no = await ann.replyInThread(room, root, hint, 'No, use printf');
    expect(await fixture.ack(no)).toBe('✅');

    const third = await fixture.request(task, root);
    const deny = await ann.sayInThread(room, root, '!deny not that either');
    expect(await fixture.ack(deny)).toBe('✅');
    expect(third.request.title).toContain('three');

    const fourth = await fixture.request(task, root);
    const answer = await ann.sayInThread(room, root, '!answer 1');
    expect(await fixture.note(answer)).toContain('The task has no open question.');
    const always = await ann.reply(room, fourth.message, 'always');
    expect(await fixture.ack(always)).toBe('✅');
    expect((await bridge.end(task)).status).toBe('completed');
    expect(closings(task)).toMatchObject([
      { request_id: first.request.id, by: ann.userId, reply: 'once' },
      { by: ann.userId, reply: 'reject', message: 'use printf' },
      { by: ann.userId, reply: 'reject', message: 'not that either' },
      { by: ann.userId, reply: 'always' },
    ]);
    expect(said(task)).toEqual([]);
    const none = await ann.sayInThread(room, root, '!allow');
    expect(await fixture.note(none)).toContain('The task has no open permission.');
  });

  it('a homeserver that goes down is degraded in health, and the sync works again when it is back', async () => {
    await using fixture = await SteeringFixture.open(server, bridge);
    const { ann, room } = fixture;
    const { task, root } = await fixture.task([bash('echo one'), { text: 'ok' }]);
    await fixture.request(task, root);
    const steering = await fixture.steer();
    await untilExpected(() => expect(steering.health().status).toBe('ok'));
    await server.stop();
    try {
      await untilExpected(() => expect(steering.health().status).toBe('degraded'));
      expect(steering.health()).toMatchObject({
        name: 'matrix commands',
        detail: expect.stringMatching(/^failing since \d{4}-.*: Matrix: sync: \S/),
      });
    } finally {
      await server.start();
    }
    const say = await ann.sayInThread(room, root, 'use yarn');
    expect(await fixture.ack(say)).toBe('✅');
    expect(said(task)).toEqual(['use yarn']);
    await untilExpected(() => expect(steering.health()).toMatchObject({ status: 'ok', detail: 'listening' }));
  });
});
