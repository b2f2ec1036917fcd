import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { SENT_KINDS } from '../../src/notifications/webhook/payload.ts';
import { RestClient } from '../http/rest.ts';
import { until } from '../notifications/delivering.ts';
import { CRASHING } from '../support/built-program.ts';
import { type SharedOpenCode, sharedOpenCode } from '../support/shared-engine.ts';
import { write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { WarmFolders } from '../support/warm-folders.ts';
import { SECRET, startReceiver } from '../support/webhook-receiver.ts';
import { crashAt } from './crashing.ts';
import { type Program, startProgram } from './program.ts';

const healthSchema = z.object({
  dependencies: z.array(z.object({ lag: z.object({ events: z.number() }).optional() })),
});
const task_description = `Do it. ${scriptText([write('n.txt', 'one\n'), { text: 'Done.' }])}`;

interface Bridge {
  program: Program;
  url: string;
  client: Client;
  api: RestClient;
}

let engine: SharedOpenCode;
let folders: Awaited<ReturnType<typeof tempDir>>;
let warm: WarmFolders;
let root: Awaited<ReturnType<typeof tempDir>>;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
/** The bridge that delivered the last case's messages after a crash; it is the one to crash next. */
let bridge: Bridge | undefined;
const programs = new Set<Program>();

beforeAll(async () => {
  folders = await tempDir('webhook-crash-folders-');
  warm = new WarmFolders(folders.path);
  root = await tempDir('webhook-crash-');
  receiver = await startReceiver();
  ({ engine } = await sharedOpenCode());
});

afterAll(async () => {
  if (bridge) await end(bridge.program, 'SIGTERM');
  await receiver.stop();
  await folders.remove();
  await root.remove();
});

afterEach(async () => {
  for (const program of programs) {
    expect(program.stderr()).not.toContain(SECRET.slice(6));
    expect(program.stderr()).not.toContain('s3cret-path');
    if (program !== bridge?.program) await end(program, 'SIGKILL');
  }
});

async function end(program: Program, signal: NodeJS.Signals): Promise<void> {
  program.child.kill(signal);
  await program.exit;
  programs.delete(program);
}

async function serve(): Promise<Bridge> {
  const variables = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    CRASH_FILE: join(root.path, 'crash-at'),
    ALLOWED_DIRECTORIES: folders.path,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '200',
    WEBHOOK_URL: receiver.url,
    WEBHOOK_SECRET: SECRET,
    WEBHOOK_ALLOWED_HOSTS: receiver.host,
  };
  const program = startProgram('serve', variables, { entry: CRASHING });
  programs.add(program);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+)\/mcp"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  return { program, url, client, api: new RestClient(url, { 'x-agent-id': 'me' }) };
}

/** Hands the same task over, again and again; its answer tells how the task stands. */
async function startTask({ client }: Bridge, key: string, directory: string) {
  const callback_url = `http://${receiver.host}/callback`;
  const order = {
    task_description,
    idempotency_key: key,
    agent_id: 'me',
    directory,
    callback_url,
    sync: true,
  };
  const result = await client.callTool({ name: 'opencode_execute_task', arguments: order });
  return z.object({ task_id: z.string(), status: z.string() }).parse(result.structuredContent);
}

/** Until every message is delivered, and the bridge has stored that. */
async function untilDelivered({ url }: Bridge): Promise<void> {
  const events = async (): Promise<number[]> => {
    const { dependencies } = healthSchema.parse(await (await fetch(`${url}/health`)).json());
    return dependencies.flatMap(({ lag }) => lag?.events ?? []);
  };
  await expect.poll(events).toEqual([0, 0]);
}

/** What both receivers have to get of the task, by the log. */
async function expected({ api }: Bridge, taskId: string): Promise<string[]> {
  const { body } = await api.get(`/tasks/${taskId}/events?limit=1000`);
  const { events } = z
    .object({ events: z.array(z.object({ seq: z.number(), kind: z.string() })) })
    .parse(body);
  return events.filter(({ kind }) => SENT_KINDS.has(kind as never)).map(({ seq }) => `${taskId}_${seq}`);
}

/** The ids at one receiver, each once, in the order in which they arrived. */
const firstOf = (prefix: string, taskId: string) =>
  receiver
    .messagesOf(taskId)
    .map(({ id }) => id)
    .filter((id) => id.startsWith(prefix))
    .map((id) => id.slice(prefix.length));

/** How many messages of the task came, repeats included. */
const arrived = (taskId: string) => receiver.arrived.filter(({ data }) => data.task_id === taskId).length;

async function expectComplete(from: Bridge, taskId: string): Promise<void> {
  await untilDelivered(from);
  const ids = await expected(from, taskId);
  expect(ids.length).toBeGreaterThan(0);
  for (const prefix of ['webhook_', 'callback_']) expect(firstOf(prefix, taskId)).toEqual(ids);
  expect(receiver.wrong).toEqual([]);
  for (const [, repeats] of Map.groupBy(receiver.arrived, ({ id }) => id))
    for (const { data } of repeats) expect(data.event).toEqual(repeats[0]?.data.event);
}

describe('after a kill and a restart both receivers miss nothing, and get a repeat only with the same id', () => {
  it.each([
    'before created',
    'after created',
    'before post',
    'after post',
    'before acknowledged',
    'after acknowledged',
    'after post#2',
    'before acknowledged#3',
    'after post#5',
    'after completed',
    'before acknowledged#6',
  ])('%s', async (at) => {
    const folder = warm.take();
    const first = bridge ?? (await serve());
    bridge = undefined;
    await crashAt(first.program, join(root.path, 'crash-at'), at);
    startTask(first, at, folder.path).catch(() => undefined);
    await first.program.exit;
    expect(first.program.child.signalCode, first.program.stderr()).toBe('SIGKILL');
    const second = await serve();
    const { task_id, status } = await startTask(second, at, folder.path);
    expect(status).toBe('completed');
    await expectComplete(second, task_id);
    bridge = second;
    folder.usedWhile(() => false);
    const repeats = arrived(task_id) - receiver.messagesOf(task_id).length;
    expect(repeats).toBeLessThanOrEqual(2);
    if (at.startsWith('before acknowledged')) expect(repeats).toBeGreaterThan(0);
  });
});

it('a bridge that is killed while a receiver hangs, and while it is away, delivers all of it later', async () => {
  const folder = warm.take();
  let hanging = 0;
  receiver.fault = ({ data }) => {
    if (data.seq < 2) return undefined;
    hanging += 1;
    return 'hang';
  };
  const first = bridge ?? (await serve());
  bridge = undefined;
  const { task_id, status } = await startTask(first, 'hanging', folder.path);
  expect(status).toBe('completed');
  await until(() => hanging === 2);
  await end(first.program, 'SIGKILL');
  await receiver.stop();

  const second = await serve();
  await second.program.says(/"sink":"callback".*a delivery failed/);
  await end(second.program, 'SIGKILL');
  receiver.fault = () => undefined;
  await receiver.start();

  const third = await serve();
  await expectComplete(third, task_id);
  bridge = third;
  folder.usedWhile(() => false);
  expect(arrived(task_id)).toBe(2 * (await expected(third, task_id)).length);
});
