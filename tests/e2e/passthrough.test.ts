import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { processesOf } from '../support/processes.ts';
import { type SharedServer, sharedOpenCode } from '../support/shared-engine.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { externalEnv, type Program, type StdioProgram, startProgram, startStdio } from './program.ts';

const ownerSchema = z.object({
  pid: z.number(),
  kind: z.string(),
  since: z.string(),
  url: z.string().optional(),
  token: z.string().optional(),
});
const taskSchema = z.object({ task_id: z.string(), status: z.string() });

let server: SharedServer;
let folder: Awaited<ReturnType<typeof tempDir>>;
const programs: Program[] = [];

beforeAll(async () => {
  server = await sharedOpenCode();
});

beforeEach(async () => {
  folder = await tempDir('passthrough-');
});

afterEach(async () => {
  for (const { child, exit } of programs.splice(0)) {
    child.kill('SIGKILL');
    await exit;
  }
  expect(await processesOf(folder.path)).toEqual([]);
  await folder.remove();
});

/** A bridge on the OpenCode server that all of these tests share. */
function environment(more: Record<string, string> = {}): Record<string, string> {
  return {
    ...externalEnv(folder.path, server),
    ...more,
  };
}

async function serve(more: Record<string, string> = {}) {
  const program = startProgram('serve', environment(more));
  programs.push(program);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  return { ...program, url };
}

async function stdio(more: Record<string, string> = {}): Promise<StdioProgram> {
  const program = startStdio(environment(more));
  programs.push(program);
  await program.connect();
  return program;
}

const ownerFile = (): string => join(folder.path, 'bridge', 'owner.json');
const owner = async () => ownerSchema.parse(JSON.parse(await readFile(ownerFile(), 'utf8')));

async function start(client: Client, script: Script, args: Record<string, unknown> = {}): Promise<string> {
  const task_description = `Do it. ${scriptText(script)}`;
  const { structuredContent } = await client.callTool({
    name: 'opencode_execute_task',
    arguments: { task_description, ...args },
  });
  return taskSchema.parse(structuredContent).task_id;
}

async function statusOf(
  client: Client,
  task_id: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const { structuredContent } = await client.callTool({
    name: 'get_task_status',
    arguments: { task_id, ...args },
  });
  return taskSchema.parse(structuredContent).status;
}

async function end(client: Client, task_id: string): Promise<string> {
  for (;;) {
    const status = await statusOf(client, task_id, { wait_ms: 50_000 });
    if (!['queued', 'running'].includes(status)) return status;
  }
}

async function cancel(client: Client, task_id: string): Promise<void> {
  await client.callTool({ name: 'send_task_control', arguments: { task_id, control: 'cancel' } });
}

/** Waits until the task's agent works: its session is in the records, and so it is found again. */
async function untilBusy(client: Client, task_id: string): Promise<void> {
  while (!JSON.stringify(await historyOf(client, task_id)).includes('"tool"')) {
    await statusOf(client, task_id, { wait_ms: 5_000 });
  }
}

async function historyOf(client: Client, task_id: string): Promise<unknown> {
  return (await client.callTool({ name: 'get_task_history', arguments: { task_id } })).structuredContent;
}

/** The HTTP status that a first message with this token gets. */
async function initialize(url: string, token: string | undefined): Promise<number> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const clientInfo = { name: 'raw', version: '0' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  const response = await fetch(url, { method: 'POST', headers, body });
  await response.text();
  return response.status;
}

/** A task that runs until a test lets it end, wherever its agent works. */
function held(): { script: Script; release(): Promise<void> } {
  const gate = join(folder.path, 'gate');
  const script = [bash(`until [ -e ${gate} ]; do sleep 0.1; done`), { text: 'Done.' }];
  return { script, release: () => writeFile(gate, '') };
}

describe('one owner of DATA_DIR', () => {
  it('is told of in a file for its user alone, which is gone after it', async () => {
    const bridge = await serve();
    const told = await owner();
    expect(told).toMatchObject({ pid: bridge.child.pid, kind: 'serve', url: bridge.url });
    expect((await stat(ownerFile())).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder.path, 'bridge'))).mode & 0o777).toBe(0o700);
    bridge.child.kill('SIGTERM');
    expect(await bridge.exit).toBe(0);
    await expect(stat(ownerFile())).rejects.toThrow('ENOENT');
    expect(bridge.stderr()).not.toContain(told.token);
  });

  it('is not whom the file of a killed process names, even where that pid lives again', async () => {
    await mkdir(join(folder.path, 'bridge'), { mode: 0o700 });
    const stale = { pid: process.pid, kind: 'serve', since: new Date().toISOString() };
    await writeFile(ownerFile(), JSON.stringify({ ...stale, url: 'http://127.0.0.1:1/mcp', token: 't' }));
    const bridge = await serve();
    expect((await owner()).pid).toBe(bridge.child.pid);
  });
});

describe('stdio joins', () => {
  it('a serve: same agent, same tasks, progress and cancel; a task outlives its editor', async () => {
    const bridge = await serve();
    const [a, b] = await Promise.all([
      stdio({ OPENCODE_SERVER_URL: '' }),
      stdio({ OPENCODE_SERVER_ENABLED: 'false' }),
    ]);
    expect((await owner()).pid).toBe(bridge.child.pid);
    expect((await processesOf(folder.path)).map(({ pid }) => pid)).toEqual(
      [bridge, a, b].map(({ child }) => child.pid),
    );
    const { script, release } = held();
    const task = await start(a.client, script);
    const lines: (string | undefined)[] = [];
    const waiting = b.client.callTool(
      { name: 'get_task_status', arguments: { task_id: task, wait_ms: 50_000 } },
      undefined,
      { onprogress: ({ message }) => lines.push(message) },
    );
    waiting.catch(() => undefined);
    const other = await start(a.client, [{ text: 'Never said.', startDelayMs: 60_000 }]);
    await cancel(b.client, other);
    expect(await statusOf(a.client, other)).toBe('cancelled');
    const stop = new AbortController();
    const call = a.client.callTool(
      { name: 'get_task_status', arguments: { task_id: task, wait_ms: 50_000 } },
      undefined,
      { signal: stop.signal },
    );
    stop.abort('no longer needed');
    await expect(call).rejects.toThrow('no longer needed');
    expect((await a.client.callTool({ name: 'ping', arguments: {} })).isError).toBeFalsy();
    a.endInput();
    expect(await a.exit).toBe(0);
    expect(['running', 'queued']).toContain(await statusOf(b.client, task));
    await release();
    expect(await end(b.client, task)).toBe('completed');
    await waiting;
    expect(lines.length).toBeGreaterThan(0);
    expect(a.stderr() + b.stderr()).not.toContain((await owner()).token);
  });

  it('a serve with tokens, and may be any agent as it may by itself; a bound token may not', async () => {
    const bridge = await serve({ MCP_AUTH_TOKENS: 'me=secret' });
    const { client } = await stdio();
    const task = await start(client, [{ text: 'Done.' }], { agent_id: 'other' });
    expect(await end(client, task)).toBe('completed');
    const { token } = await owner();
    for (const wrong of ['', 'secre', `${token}x`]) expect(await initialize(bridge.url, wrong)).toBe(401);
    expect(await initialize(bridge.url, 'secret')).toBe(200);
  });

  it('a stdio, which lets nobody else in, and takes its place when it is killed', async () => {
    const a = await stdio();
    const b = await stdio();
    const { pid, url = '', kind, token = '' } = await owner();
    expect({ pid, kind }).toEqual({ pid: a.child.pid, kind: 'stdio' });
    expect(await initialize(url, undefined)).toBe(401);
    expect(await initialize(url, 'wrong')).toBe(401);
    expect(await initialize(url, token)).toBe(200);
    const { script, release } = held();
    const task = await start(b.client, script, { agent_id: 'me' });
    expect(await statusOf(a.client, task, { agent_id: 'me' })).not.toBe('');
    await untilBusy(b.client, task);
    const pending = b.client.callTool({
      name: 'get_task_status',
      arguments: { task_id: task, wait_ms: 50_000 },
    });
    pending.catch(() => undefined);
    await b.client.callTool({ name: 'ping', arguments: {} });
    a.child.kill('SIGKILL');
    await expect(pending).rejects.toThrow(
      /The bridge that served this call is gone \(its stream ended\).*Try again/,
    );
    expect(['running', 'queued']).toContain(await statusOf(b.client, task));
    expect((await owner()).pid).toBe(b.child.pid);
    await release();
    expect(await end(b.client, task)).toBe('completed');
    b.endInput();
    expect(await b.exit).toBe(0);
  });

  it('whoever was first, where several start at once', async () => {
    const all = await Promise.all([stdio(), stdio(), stdio(), stdio()]);
    const task = await start(all[0].client, [{ text: 'Done.' }]);
    for (const { client } of all) expect(await end(client, task)).toBe('completed');
    expect(all.map(({ child }) => child.pid)).toContain((await owner()).pid);
  });

  it('the next serve, where the one that it had joined is restarted', async () => {
    const first = await serve();
    const { client } = await stdio();
    const task = await start(client, [{ text: 'Done.' }], { agent_id: 'me' });
    expect(await end(client, task)).toBe('completed');
    first.child.kill('SIGTERM');
    await first.exit;
    const second = await serve();
    expect(await statusOf(client, task)).toBe('completed');
    expect((await owner()).pid).toBe(second.child.pid);
  });
});

describe('stdio leaves', () => {
  it('at once at the end of stdin where no task runs', async () => {
    const program = await stdio({ SHUTDOWN_GRACE_MS: '600000' });
    program.endInput();
    expect(await program.exit).toBe(0);
  });

  it('at a signal after the end of stdin, though a task runs, which the next takes up', async () => {
    const first = await stdio({ SHUTDOWN_GRACE_MS: '600000' });
    const { script, release } = held();
    const task = await start(first.client, script);
    await untilBusy(first.client, task);
    first.endInput();
    await first.says(/the bridge stops/);
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(1);
    const second = await stdio();
    await release();
    expect(await end(second.client, task)).toBe('completed');
  });

  it('with exit code 4 where the owner of DATA_DIR cannot be joined', async () => {
    const database = join(import.meta.dirname, '../../src/store/sqlite/database.ts');
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { openDatabase } from ${JSON.stringify(database)};
       openDatabase(${JSON.stringify(join(folder.path, 'bridge'))}); console.log('open'); setInterval(() => {}, 1000);`,
    ]);
    try {
      await once(holder.stdout, 'data');
      const program = startStdio(environment());
      programs.push(program);
      expect(await program.exit).toBe(4);
      expect(program.stderr()).toMatch(/DATA_DIR .* is in use by another bridge process/);
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
  });
});
