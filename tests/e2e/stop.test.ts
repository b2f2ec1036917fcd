import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { type SharedServer, sharedOpenCode } from '../support/shared-engine.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { externalEnv, type Program, startProgram, startStdio } from './program.ts';

const answerSchema = z.object({ task_id: z.string(), status: z.string(), next: z.string() });

let server: SharedServer;
let folder: Awaited<ReturnType<typeof tempDir>>;
const programs: Program[] = [];

beforeAll(async () => {
  server = await sharedOpenCode();
});
beforeEach(async () => {
  folder = await tempDir('stop-');
});
afterEach(async () => {
  for (const { child, exit } of programs.splice(0)) {
    child.kill('SIGKILL');
    await exit;
  }
  await folder.remove();
});

const environment = (graceMs: number): Record<string, string> => ({
  ...externalEnv(folder.path, server),
  SHUTDOWN_GRACE_MS: String(graceMs),
});

/** The program, and a client of it over HTTP as SDKs make it. */
async function serve(graceMs = 200): Promise<{ program: Program; client: Client }> {
  const program = startProgram('serve', environment(graceMs));
  programs.push(program);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return { program, client };
}

async function stdio(graceMs = 200): Promise<{ program: Program; client: Client }> {
  const program = startStdio(environment(graceMs));
  programs.push(program);
  await program.connect();
  return { program, client: program.client };
}

/** Work that goes on until the gate is opened. */
function untilGate(words: string): string {
  const wait = bash(`until [ -e ${join(folder.path, 'gate')} ]; do sleep 0.1; done`);
  return `${words} ${scriptText([wait, { text: 'Done.' }])}`;
}

function start(client: Client) {
  return call(client, 'opencode_execute_task', { task_description: untilGate('One.') });
}

/** Two calls that wait, each by now for sure: their progress has come. */
async function twoWaiting(client: Client) {
  const { task_id } = await start(client);
  const status = waiting(client, 'get_task_status', { task_id, wait_ms: 50_000 });
  const sync = waiting(client, 'opencode_execute_task', { task_description: untilGate('Two.'), sync: true });
  await Promise.all([status.begun, sync.begun]);
  return { task_id, answers: Promise.all([status.answer, sync.answer]) };
}

function waiting(client: Client, name: string, args: Record<string, unknown>) {
  const begun = Promise.withResolvers<void>();
  const answer = call(client, name, args, () => begun.resolve());
  answer.catch(begun.reject);
  return { begun: begun.promise, answer };
}

async function call(client: Client, name: string, args: Record<string, unknown>, onprogress?: () => void) {
  const options = onprogress ? { onprogress } : {};
  const { structuredContent } = await client.callTool({ name, arguments: args }, undefined, options);
  return answerSchema.parse(structuredContent);
}

const TOLD = {
  status: 'running',
  next: expect.stringMatching(/^The bridge is stopping.*tasks are kept.*get_task_status with task_id "task_/),
};
const SESSION_ENDED = {
  status: 'running',
  next: expect.stringMatching(/^This session was ended.*get_task_status/),
};

describe('at SIGTERM, calls that wait are answered with the task as it is', () => {
  it('by serve, to a real client over HTTP; the task is taken up by the next one', async () => {
    const { program, client } = await serve();
    const { task_id, answers } = await twoWaiting(client);
    program.child.kill('SIGTERM');
    expect(await answers).toMatchObject([{ task_id, ...TOLD }, TOLD]);
    expect(await program.exit).toBe(0);
    await client.close();
    await writeFile(join(folder.path, 'gate'), '');
    const next = await serve();
    await expect
      .poll(async () => (await call(next.client, 'get_task_status', { task_id, wait_ms: 5_000 })).status, {
        timeout: 60_000,
      })
      .toBe('completed');
    await next.client.close();
  });

  it('with its result where the task ends in the time that it is given', async () => {
    const { program, client } = await serve(60_000);
    const { answers } = await twoWaiting(client);
    program.child.kill('SIGTERM');
    await program.says(/the bridge stops/);
    await writeFile(join(folder.path, 'gate'), '');
    expect(await answers).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
    expect(await program.exit).toBe(0);
    await client.close();
  });

  it('by a stdio that is the bridge itself', async () => {
    const { program, client } = await stdio();
    const { task_id, answers } = await twoWaiting(client);
    program.child.kill('SIGTERM');
    expect(await answers).toMatchObject([{ task_id, ...TOLD }, TOLD]);
    expect(await program.exit).toBe(0);
  });

  it('by a stdio that passes through, whether it stops itself or the bridge behind it', async () => {
    const { program: bridge, client } = await serve();
    const [first, second] = [await stdio(), await stdio()];
    const [one, two] = [await twoWaiting(first.client), await twoWaiting(second.client)];
    first.program.child.kill('SIGTERM');
    expect(await one.answers).toMatchObject([SESSION_ENDED, SESSION_ENDED]);
    expect(await first.program.exit).toBe(0);
    await client.close();
    bridge.child.kill('SIGTERM');
    expect(await two.answers).toMatchObject([TOLD, TOLD]);
    expect(await bridge.exit).toBe(0);
  });

  it('by a stdio that passes through, where the answers come later than the end of all else', async () => {
    const { program: bridge, client } = await serve();
    const owner = join(folder.path, 'bridge', 'owner.json');
    const info = z.looseObject({ url: z.url() }).parse(JSON.parse(await readFile(owner, 'utf8')));
    const proxy = await startFaultyProxy(info.url);
    await writeFile(owner, JSON.stringify({ ...info, url: `${proxy.url}/mcp` }));
    const [first, second] = [await stdio(), await stdio()];
    const [one, two] = [await twoWaiting(first.client), await twoWaiting(second.client)];
    await client.close();
    proxy.delayMs = 300;
    first.program.child.kill('SIGTERM');
    expect(await one.answers).toMatchObject([SESSION_ENDED, SESSION_ENDED]);
    expect(await first.program.exit).toBe(0);
    bridge.child.kill('SIGTERM');
    expect(await two.answers).toMatchObject([TOLD, TOLD]);
    expect(await bridge.exit).toBe(0);
    await proxy.close();
  });

  it('with an error by a stdio that passes through to a bridge that hangs', async () => {
    const { program: bridge, client } = await serve();
    const { program, client: editor } = await stdio();
    const { task_id } = await start(client);
    const status = waiting(editor, 'get_task_status', { task_id, wait_ms: 50_000 });
    await status.begun;
    bridge.child.kill('SIGSTOP');
    program.child.kill('SIGTERM');
    await expect(status.answer).rejects.toThrow(/before it had an answer.*Tasks are kept/);
    expect(await program.exit).toBe(0);
    bridge.child.kill('SIGCONT');
    await client.close();
  });
});
