import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { SENT_KINDS } from '../../src/notifications/webhook/payload.ts';
import { until } from '../notifications/delivering.ts';
import { type SharedOpenCode, sharedOpenCode } from '../support/shared-engine.ts';
import { write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { WarmFolders } from '../support/warm-folders.ts';
import { SECRET, startReceiver } from '../support/webhook-receiver.ts';
import { readStore } from './parts.ts';
import { type Program, startProgram } from './program.ts';

const CRASHING = join(import.meta.dirname, '../support/crash-entry.ts');
const task_description = `Do it. ${scriptText([write('n.txt', 'one\n'), { text: 'Done.' }])}`;

let engine: SharedOpenCode;
let folders: Awaited<ReturnType<typeof tempDir>>;
let warm: WarmFolders;
let root: Awaited<ReturnType<typeof tempDir>>;
let receiver: Awaited<ReturnType<typeof startReceiver>>;

beforeAll(async () => {
  folders = await tempDir('webhook-crash-folders-');
  warm = new WarmFolders(folders.path);
  ({ engine } = await sharedOpenCode());
});

afterAll(async () => {
  await folders.remove();
});

beforeEach(async () => {
  root = await tempDir('webhook-crash-');
  receiver = await startReceiver();
});

afterEach(async () => {
  await receiver.stop();
  await root.remove();
});

function environment() {
  return {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
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
}

async function connect(bridge: Program): Promise<Client> {
  const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** Hands the same task over, again and again; its answer tells how the task stands. */
async function startTask(bridge: Program, directory: string, sync: boolean) {
  const client = await connect(bridge);
  const callback_url = `http://${receiver.host}/callback`;
  const order = { task_description, idempotency_key: 'k', agent_id: 'me', directory, callback_url, sync };
  const result = await client.callTool({ name: 'opencode_execute_task', arguments: order });
  return z.object({ task_id: z.string(), status: z.string() }).parse(result.structuredContent);
}

async function end(bridge: Program): Promise<void> {
  bridge.child.kill('SIGTERM');
  await bridge.exit;
  expect(bridge.stderr()).not.toContain(SECRET.slice(6));
  expect(bridge.stderr()).not.toContain('s3cret-path');
}

/** What both receivers have to get of the task, by the log. */
function expected(taskId: string): string[] {
  const { events } = readStore(join(root.path, 'data'), taskId);
  return events.filter(({ kind }) => SENT_KINDS.has(kind)).map(({ seq }) => `${taskId}_${seq}`);
}

/** The ids at one receiver, each once, in the order in which they arrived. */
const firstOf = (prefix: string, taskId: string) =>
  receiver
    .messagesOf(taskId)
    .map(({ id }) => id)
    .filter((id) => id.startsWith(prefix))
    .map((id) => id.slice(prefix.length));

function expectComplete(taskId: string): void {
  for (const prefix of ['webhook_', 'callback_']) expect(firstOf(prefix, taskId)).toEqual(expected(taskId));
  expect(receiver.wrong).toEqual([]);
  for (const [, repeats] of Map.groupBy(receiver.arrived, ({ id }) => id))
    for (const { data } of repeats) expect(data.event).toEqual(repeats[0]?.data.event);
}

const ended = (taskId: string) =>
  ['webhook_', 'callback_'].every((prefix) =>
    receiver.arrived.some(
      ({ id, type, data }) =>
        data.task_id === taskId && id.startsWith(prefix) && /completed|failed/.test(type),
    ),
  );

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
    const first = startProgram('serve', { ...environment(), CRASH_AT: at }, { entry: CRASHING });
    startTask(first, folder.path, true).catch(() => undefined);
    await first.exit;
    expect(first.child.signalCode, first.stderr()).toBe('SIGKILL');
    const second = startProgram('serve', environment());
    const { task_id, status } = await startTask(second, folder.path, true);
    expect(status).toBe('completed');
    await until(() => ended(task_id));
    await end(second);
    folder.usedWhile(() => false);
    expectComplete(task_id);
    const repeats = receiver.arrived.length - receiver.messagesOf(task_id).length;
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
  const first = startProgram('serve', environment());
  const { task_id, status } = await startTask(first, folder.path, true);
  expect(status).toBe('completed');
  await until(() => hanging === 2);
  first.child.kill('SIGKILL');
  await first.exit;
  await receiver.stop();

  const second = startProgram('serve', environment());
  await second.says(/"sink":"callback".*a delivery failed/);
  second.child.kill('SIGKILL');
  await second.exit;
  receiver.fault = () => undefined;
  await receiver.start();

  const third = startProgram('serve', environment());
  await until(() => ended(task_id));
  await end(third);
  folder.usedWhile(() => false);
  expectComplete(task_id);
  expect(receiver.arrived).toHaveLength(2 * expected(task_id).length);
});
