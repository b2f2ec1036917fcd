import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { workspaceBlockSchema } from '../../src/memory/block.ts';
import { until } from '../notifications/delivering.ts';
import { HOMESERVERS } from '../notifications/homeservers.ts';
import { markOf } from '../notifications/matrix-remote.ts';
import { startFakeHomeserver } from '../support/fake-homeserver.ts';
import type { Homeserver } from '../support/homeserver.ts';
import { startLetta } from '../support/letta.ts';
import { startOpenCode } from '../support/opencode.ts';
import type { RoomEvent } from '../support/person.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { SECRET, startReceiver } from '../support/webhook-receiver.ts';
import { startProgram } from './program.ts';

const WAITS = 'until [ -e go ]; do sleep 0.1; done';
const FIRST = [write('a.txt', 'one\n'), bash(WAITS), { text: 'First part done.' }];
const SECOND = [write('b.txt', 'two\n'), { text: 'Second part done.' }];
const withTaskId = z.object({ task_id: z.string() });
const withStatus = z.object({ status: z.string() });
const withRequests = z.object({ requests: z.array(z.object({ id: z.string() })) });

type Matrix = Awaited<ReturnType<typeof everything>>;

/** All that a bridge can be connected to: OpenCode with a scripted model, a homeserver with a person, Letta, a webhook. */
async function everything(startHomeserver: () => Promise<Homeserver>) {
  const stack = new AsyncDisposableStack();
  const root = stack.use(await tempDir('everything-'));
  const homeserver = stack.use(await startHomeserver());
  const letta = stack.use(await startLetta('s3cret'));
  const receiver = stack.use(await startReceiver());
  const model = stack.adopt(await startScriptedModel(), (open) => open.close());
  const config = { permission: { bash: 'ask' } };
  const engine = stack.use(await startOpenCode({ modelUrl: model.url, config }));
  const [bot, ann] = [await homeserver.user('bridge'), await homeserver.user('ann')];
  const roomId = await ann.createRoom({ name: 'Tasks' });
  await ann.invite(roomId, bot.userId);
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MCP_PORT: '0',
    LETTA_API_URL: letta.url,
    LETTA_API_TOKEN: 's3cret',
    WORKSPACE_DETACH_DELAY_MS: '2000',
    MATRIX_ENABLED: 'true',
    MATRIX_HOMESERVER_URL: homeserver.url,
    MATRIX_ACCESS_TOKEN: bot.token,
    MATRIX_USER_ID: bot.userId,
    MATRIX_ROOM_ID: roomId,
    WEBHOOK_URL: receiver.url,
    WEBHOOK_SECRET: SECRET,
  };
  let bridge = startProgram('serve', env);
  stack.defer(async () => {
    bridge.child.kill('SIGTERM');
    await bridge.exit;
  });
  const connect = async () => {
    const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
    const client = new Client({ name: 'test', version: '0' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    const call = async (name: string, args: object) =>
      (await client.callTool({ name, arguments: { ...args } })).structuredContent;
    return { url, call, close: () => client.close() };
  };
  const messages = async () =>
    (await ann.events(roomId)).filter(
      ({ sender, type }) => sender === bot.userId && type === 'm.room.message',
    );
  return {
    homeserver,
    letta,
    receiver,
    ann,
    bot,
    roomId,
    connect,
    agentId: letta.addAgent(),
    folderOf: (taskId: string) => join(root.path, 'data', 'workspaces', taskId),
    stderr: () => bridge.stderr(),
    restart: async () => {
      bridge.child.kill('SIGKILL');
      await bridge.exit;
      bridge = startProgram('serve', env);
    },
    /** The first message of the bridge that tells of a kind of event. */
    sees: (kind: string, more: (event: RoomEvent) => boolean = () => true) =>
      ann.sees(roomId, (event) => markOf(event.content)?.event_type === kind && more(event), 90_000),
    /** What the bridge told, edits left out, by kind. */
    told: async () => (await messages()).filter((event) => !isEdit(event)).map(kindOf),
    edits: async (kind: string) =>
      (await messages()).filter((event) => isEdit(event) && kindOf(event) === kind),
    acknowledged: (eventId: string) =>
      ann.sees(roomId, ({ sender, type, content }) => {
        const { event_id, key } = annotation.safeParse(content['m.relates_to']).data ?? {};
        return sender === bot.userId && type === 'm.reaction' && event_id === eventId && key === '✅';
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const annotation = z.object({ event_id: z.string(), key: z.string() });
const kindOf = ({ content }: RoomEvent) => markOf(content)?.event_type;
const isEdit = ({ content }: RoomEvent) =>
  JSON.stringify(content['m.relates_to'] ?? {}).includes('m.replace');

async function ended(call: (name: string, args: object) => Promise<unknown>, who: object): Promise<string> {
  for (;;) {
    const { status } = withStatus.parse(await call('get_task_status', { ...who, wait_ms: 50_000 }));
    if (!['queued', 'running', 'input_required'].includes(status)) return status;
  }
}

/** What has to be there at the end, once each. */
async function expectAllTold(world: Matrix, taskId: string, requestBy: string): Promise<void> {
  const { letta, receiver, agentId } = world;
  const outcome = await world.sees('completed');
  expect(outcome.content.body).toMatch(
    /completed after .*> Second part done\.\nFiles changed: 3\n.*a\.txt added.*b\.txt added/s,
  );
  expect(await world.told()).toEqual(expect.arrayContaining(['created', 'request_opened', 'completed']));
  for (const kind of ['created', 'request_opened', 'completed'])
    expect((await world.told()).filter((told) => told === kind)).toHaveLength(1);
  const [closed, ...more] = await world.edits('request_closed');
  expect(more).toEqual([]);
  expect(closed?.content['m.new_content']).toMatchObject({
    body: expect.stringContaining(`Answered by ${requestBy}: once`),
  });
  await until(async () => {
    const card = (await world.edits('created')).at(-1);
    return markOf(card?.content ?? {})?.status === 'completed';
  });
  await until(() => receiver.messagesOf(taskId).at(-1)?.type === 'task.completed');
  const sent = receiver.messagesOf(taskId).map(({ data }) => data.seq);
  expect(sent).toEqual(sent.toSorted((one, other) => one - other));
  await until(() => letta.blocks.size === 0);
  expect(letta.requests.filter((request) => request === 'POST /v1/blocks/')).toHaveLength(1);
  const values = letta.values.get(`opencode_workspace_${taskId}`) ?? [];
  const block = workspaceBlockSchema.parse(JSON.parse(values.at(-1) ?? ''));
  expect(block).toMatchObject({ status: 'completed', metadata: { summary: 'Second part done.' } });
  const steps = block.events.map(({ message }) => message);
  for (const step of ['Started.', 'write: a.txt (ok)', `bash: ${WAITS} (ok)`, 'write: b.txt (ok)'])
    expect(steps.filter((said) => said === step)).toHaveLength(1);
  expect(steps.filter((said) => said.startsWith('human: '))).toHaveLength(1);
  expect(letta.messagesOf(agentId).map(({ content }) => content)).toEqual([
    expect.stringMatching(
      new RegExp(`^OpenCode task ${taskId} has ended: completed, .*> Second part done\\.`, 's'),
    ),
  ]);
}

describe.each(HOMESERVERS)('with everything on, and Matrix on $name', ({ start, absent }) => {
  beforeEach((context) => context.skip(absent !== undefined, absent));

  it('a person allows and steers a task from the room, the block follows, the agent is told', {
    timeout: 180_000,
  }, async () => {
    await using world = await everything(start);
    const { ann, roomId, agentId } = world;
    const bridge = await world.connect();
    const order = {
      agent_id: agentId,
      task_description: `Do it. ${scriptText(FIRST)}`,
      observers: [ann.userId],
    };
    const { task_id } = withTaskId.parse(await bridge.call('opencode_execute_task', order));
    const card = await world.sees('created');
    const asked = await world.sees('request_opened');
    expect(asked.content).toMatchObject({ 'm.mentions': { user_ids: [ann.userId] } });
    await ann.react(roomId, asked.event_id, '✅');
    await world.acknowledged(asked.event_id);
    await world.sees('request_closed');
    const said = await ann.sayInThread(roomId, card.event_id, `And then: ${scriptText(SECOND)}`);
    await world.acknowledged(said);
    await writeFile(join(world.folderOf(task_id), 'go'), '');
    expect(await ended(bridge.call, { agent_id: agentId, task_id })).toBe('completed');
    await expectAllTold(world, task_id, ann.userId);
    const late = await ann.replyInThread(roomId, card.event_id, asked.event_id, 'no');
    const answer = await ann.sees(roomId, ({ content }) =>
      JSON.stringify(content).includes('already answered by'),
    );
    expect(answer.content).toMatchObject({ 'm.relates_to': { 'm.in_reply_to': { event_id: late } } });
    const notice = {
      id: 'ses_1-msg_1',
      kind: 'idle',
      session_id: 'ses_1',
      title: 'Primes',
      files: ['<p>.js'],
    };
    const post = () =>
      fetch(new URL('/matrix/notify', bridge.url), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(notice),
      });
    expect((await post()).status).toBe(202);
    expect((await post()).status).toBe(202);
    const ofPrimes = ({ content }: RoomEvent) => JSON.stringify(content).includes('Primes');
    expect((await ann.sees(roomId, ofPrimes)).content).toMatchObject({
      msgtype: 'm.notice',
      formatted_body: expect.stringContaining('<code>&lt;p&gt;.js</code>'),
    });
    expect((await ann.events(roomId)).filter(ofPrimes)).toHaveLength(1);
    const health = JSON.stringify(await (await fetch(new URL('/health', bridge.url))).json());
    expect(health).toMatch(/"name":"matrix","status":"ok","detail":"up to date"/);
    expect(world.stderr()).not.toContain(world.bot.token);
    await bridge.close();
  });
});

describe('with everything on', () => {
  it('nothing is missing and nothing is there twice although homeserver, Letta and bridge go down in the middle', {
    timeout: 240_000,
  }, async () => {
    await using world = await everything(startFakeHomeserver);
    const { ann, roomId, agentId, homeserver, letta } = world;
    const first = await world.connect();
    const order = { agent_id: agentId, task_description: `Do it. ${scriptText(FIRST)}` };
    const { task_id } = withTaskId.parse(await first.call('opencode_execute_task', order));
    const who = { agent_id: agentId, task_id };
    const card = await world.sees('created');
    await world.sees('request_opened');
    await homeserver.kill();
    await letta.stop();
    const { requests } = withRequests.parse(await first.call('get_task_status', who));
    const [request] = requests;
    await first.call('answer_task_request', { ...who, request_id: request?.id, reply: 'once' });
    await until(() => /"sink":"matrix".*a delivery failed/.test(world.stderr()));
    await homeserver.start();
    await letta.start();
    await world.sees('request_closed');

    await world.restart();
    const said = await ann.sayInThread(roomId, card.event_id, `And then: ${scriptText(SECOND)}`);
    const second = await world.connect();
    await world.acknowledged(said);
    await homeserver.stop();
    await letta.stop();
    await writeFile(join(world.folderOf(task_id), 'go'), '');
    expect(await ended(second.call, who)).toBe('completed');
    await world.restart();
    await homeserver.start();
    await letta.start();
    const third = await world.connect();
    await expectAllTold(world, task_id, agentId);
    await third.close();
  });
});
