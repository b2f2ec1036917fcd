import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { isEnd, TASK_STATUSES } from '../../src/tasks/task.ts';
import { containerOf } from '../support/docker.ts';
import { bash, write } from '../support/steps.ts';
import { IMAGES, notBuilt } from './built.ts';
import { compose } from './compose.ts';
import { type Deployment, deploy } from './deployment.ts';

vi.setConfig({ testTimeout: 400_000 });

const absent = notBuilt ?? (compose ? undefined : 'there is no docker compose and no docker-compose');
beforeEach((context) => context.skip(absent !== undefined, absent));

const taskSchema = z.looseObject({
  task_id: z.string(),
  status: z.enum(TASK_STATUSES),
  directory: z.string(),
});
type View = z.infer<typeof taskSchema>;

let deployment: Deployment;
/** Tasks of the modes before. */
const earlier: { of: string; completed: View; running: View }[] = [];

beforeAll(async () => {
  if (absent === undefined) deployment = await deploy();
});
afterAll(() => deployment?.remove());

async function ask(client: Client, name: string, args: object): Promise<unknown> {
  const { structuredContent, isError, content } = await client.callTool({ name, arguments: { ...args } });
  if (isError) throw new Error(`${name}: ${JSON.stringify(content)}`);
  return structuredContent;
}

const start = async (client: Client, steps: Script): Promise<View> =>
  taskSchema.parse(
    await ask(client, 'opencode_execute_task', { task_description: `Do it. ${scriptText(steps)}` }),
  );

async function ended(client: Client, { task_id }: View): Promise<View> {
  for (;;) {
    const task = taskSchema.parse(await ask(client, 'get_task_status', { task_id, wait_ms: 20_000 }));
    if (isEnd(task.status)) return task;
  }
}

/** A task whose command has begun, as the host sees it, and goes on until it is let go. */
async function running(client: Client, of: string): Promise<View> {
  const steps = [
    write('of.txt', `${of}\n`),
    bash('echo began > began; while ! test -e go; do sleep 0.1; done'),
    { text: `Done by ${of}.` },
  ];
  const task = await start(client, steps);
  await vi.waitFor(() => access(join(task.directory, 'began')), { timeout: 120_000, interval: 100 });
  return task;
}

/** Lets it go on, to its end. */
async function complete(client: Client, task: View): Promise<View> {
  await letGo(task);
  const completed = await ended(client, task);
  expect(completed).toMatchObject({ status: 'completed' });
  return completed;
}

const letGo = ({ directory }: View): Promise<void> => writeFile(join(directory, 'go'), '');

async function expectReadable(client: Client, { task_id }: View, of: string): Promise<void> {
  expect(await ask(client, 'get_task_status', { task_id })).toMatchObject({
    status: 'completed',
    result: { summary: `Done by ${of}.` },
  });
  const history = await ask(client, 'get_task_history', { task_id, events_limit: -1 });
  const { events } = z.object({ events: z.array(z.looseObject({ kind: z.string() })) }).parse(history);
  expect(events).toContainEqual(expect.objectContaining({ kind: 'output', text: `Done by ${of}.` }));
  expect(events.at(-1)).toMatchObject({ kind: 'completed' });
  expect(await ask(client, 'get_task_files', { task_id, include_diff: true })).toMatchObject({
    changes: expect.arrayContaining([expect.objectContaining({ path: 'of.txt', change: 'added' })]),
    patch: expect.stringContaining(`+${of}`),
  });
  expect(await ask(client, 'read_task_file', { task_id, file_path: 'of.txt' })).toMatchObject({
    content: `${of}\n`,
  });
}

/** What ran while the mode changed has failed, and says why. */
async function expectHonestEnd(client: Client, task: View): Promise<void> {
  const { task_id } = task;
  expect(await ended(client, task)).toMatchObject({
    status: 'failed',
    error: {
      code: 'INVALID_STATE',
      message: expect.stringContaining(`${task_id} belongs to runner`),
      next: expect.stringContaining('OPENCODE_SERVER_ENABLED'),
    },
  });
  expect(await ask(client, 'read_task_file', { task_id, file_path: 'began' })).toMatchObject({
    content: 'began\n',
  });
}

async function expectEarlier(client: Client, modes: string[]): Promise<void> {
  expect(earlier.map(({ of }) => of)).toEqual(modes);
  for (const { of, completed, running } of earlier) {
    await expectReadable(client, completed, of);
    await expectHonestEnd(client, running);
    await letGo(running);
  }
}

/** The bridge is ready, and its doctor finds nothing wrong. */
async function expectMode(mode: string, checked: string): Promise<void> {
  expect(await deployment.health()).toMatchObject({ status: 'ok', mode });
  const doctor = await deployment.project.exec('letta-opencode-plugin', ['node', 'dist/index.js', 'doctor']);
  expect(doctor).toEqual({ code: 0, output: expect.stringMatching(new RegExp(`^${checked} +ok`, 'm')) });
}

it('docker-compose up -d with the flag on: both services are healthy, and a task is completed', async () => {
  await deployment.up(true);
  await expectMode('opencode-server', 'shared folder');
  await vi.waitFor(
    async () =>
      expect(await deployment.project.states()).toMatchObject({
        'letta-opencode-plugin': expect.stringContaining('(healthy)'),
        'opencode-server': expect.stringContaining('(healthy)'),
      }),
    { timeout: 120_000, interval: 500 },
  );
  const client = await deployment.connect();
  const completed = await complete(client, await running(client, 'the server'));
  earlier.push({ of: 'the server', completed, running: await running(client, 'nobody') });
});

it('the line of .env changed and up -d again: containers do the work, and what was before can be read', async () => {
  await deployment.up(false);
  await expectMode('docker', 'RUNNER_IMAGE');
  const client = await deployment.connect();
  await expectEarlier(client, ['the server']);
  const task = await running(client, 'a container');
  const { Config, HostConfig } = await (await containerOf({ id: task.task_id })).inspect();
  expect({ ...Config, ...HostConfig }).toMatchObject({
    Image: IMAGES.runner,
    User: '1000:1000',
    NetworkMode: deployment.project.network,
  });
  const completed = await complete(client, task);
  earlier.push({ of: 'a container', completed, running: await running(client, 'nobody') });
});

it('and back: the server does the work again, and tasks of both modes can be read', async () => {
  await deployment.up(true);
  await expectMode('opencode-server', 'shared folder');
  const client = await deployment.connect();
  await expectEarlier(client, ['the server', 'a container']);
  await complete(client, await running(client, 'the server again'));
});
