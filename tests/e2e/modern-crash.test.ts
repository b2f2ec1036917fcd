import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { callTool, send, WITH_FORMS } from '../http/modern.ts';
import { type SharedServer, sharedOpenCode } from '../support/shared-engine.ts';
import { ask, bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { externalEnv, type Program, startProgram } from './program.ts';

const taskSchema = z.looseObject({
  taskId: z.string(),
  status: z.string(),
  statusMessage: z.string().optional(),
  inputRequests: z.record(z.string(), z.unknown()).optional(),
  result: z.looseObject({ structuredContent: z.unknown() }).optional(),
});
type WireTask = z.infer<typeof taskSchema>;

let server: SharedServer;
let folder: Awaited<ReturnType<typeof tempDir>>;
let bridge: Program & { url: string };

beforeAll(async () => {
  server = await sharedOpenCode();
});
beforeEach(async () => {
  folder = await tempDir('modern-crash-');
  bridge = await serve();
});
afterEach(async () => {
  bridge.child.kill('SIGTERM');
  await bridge.exit;
  await folder.remove();
});

async function serve(): Promise<Program & { url: string }> {
  const program = startProgram('serve', {
    ...externalEnv(folder.path, server),
  });
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  return { ...program, url };
}

/** The bridge dies as by `kill -9`, and another starts with what it stored. */
async function crash(): Promise<void> {
  bridge.child.kill('SIGKILL');
  await bridge.exit;
  bridge = await serve();
}

async function resultOf(response: Promise<Response>): Promise<unknown> {
  const { result } = z.object({ result: z.unknown() }).parse(await (await response).json());
  return result;
}

async function execute(script: Script): Promise<string> {
  const order = { task_description: `Do it. ${scriptText(script)}`, idempotency_key: 'k' };
  const called = callTool(bridge.url, 'opencode_execute_task', order, { capabilities: WITH_FORMS });
  return taskSchema.parse(await resultOf(called)).taskId;
}

async function get(taskId: string): Promise<WireTask> {
  return taskSchema.parse(
    await resultOf(send(bridge.url, 'tasks/get', { taskId }, { capabilities: WITH_FORMS })),
  );
}

function until(taskId: string, is: (task: WireTask) => boolean): Promise<WireTask> {
  return vi.waitFor(
    async () => {
      const task = await get(taskId);
      if (!is(task)) throw new Error(JSON.stringify(task));
      return task;
    },
    { timeout: 60_000, interval: 50 },
  );
}

const completed = ({ status }: WireTask): boolean => status === 'completed';
const DONE = { structuredContent: { status: 'completed', result: { summary: 'Done.' } } };

/** A step that lasts until the test lets it end. */
function held() {
  const gate = join(folder.path, 'gate');
  const step = bash(`until [ -e ${gate} ]; do sleep 0.1; done`);
  return { step, release: () => writeFile(gate, '') };
}

it('created: the task that the client was given goes on, and a repeated call gives the same', async () => {
  const script = [{ text: 'Done.' }];
  const id = await execute(script);
  await crash();
  expect(await until(id, completed)).toMatchObject({ taskId: id, result: DONE });
  const order = { task_description: `Do it. ${scriptText(script)}`, idempotency_key: 'k' };
  const again = callTool(bridge.url, 'opencode_execute_task', order, { capabilities: WITH_FORMS });
  expect(await resultOf(again)).toMatchObject({ structuredContent: { task_id: id, repeated: true } });
});

it('working: it works on after the restart, and ends with its result', async () => {
  const { step, release } = held();
  const id = await execute([step, { text: 'Done.' }]);
  await until(id, ({ statusMessage }) => statusMessage?.startsWith('bash') ?? false);
  await crash();
  expect(await get(id)).toMatchObject({ taskId: id, status: 'working' });
  await release();
  expect(await until(id, completed)).toMatchObject({ result: DONE });
});

it('input required: the same form under the same key, and its answer is taken', async () => {
  const id = await execute([ask('Which color?', 'red', 'blue'), { text: 'Done.' }]);
  const asks = ({ status }: WireTask): boolean => status === 'input_required';
  const before = await until(id, asks);
  await crash();
  const after = await until(id, asks);
  expect(after.inputRequests).toEqual(before.inputRequests);
  const [key = ''] = Object.keys(after.inputRequests ?? {});
  const inputResponses = { [key]: { action: 'accept', content: { q0: 'blue' } } };
  const update = send(
    bridge.url,
    'tasks/update',
    { taskId: id, inputResponses },
    { capabilities: WITH_FORMS },
  );
  expect(await resultOf(update)).toMatchObject({ resultType: 'complete' });
  await crash();
  expect(await until(id, completed)).toMatchObject({ result: DONE });
});

it('cancelled: it stays cancelled', async () => {
  const { step } = held();
  const id = await execute([step]);
  await until(id, ({ statusMessage }) => statusMessage?.startsWith('bash') ?? false);
  await resultOf(send(bridge.url, 'tasks/cancel', { taskId: id }, { capabilities: WITH_FORMS }));
  await crash();
  expect(await get(id)).toMatchObject({ taskId: id, status: 'cancelled' });
});

it('completed: the same task with the same result', async () => {
  const id = await execute([{ text: 'Done.' }]);
  const before = await until(id, completed);
  await crash();
  expect(await get(id)).toEqual(before);
});
