import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { COMPILE_CACHE, PROGRAM } from '../support/built-program.ts';
import { isRunning } from '../support/processes.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, startProgram } from './program.ts';

const TASK = `Do it. ${scriptText([
  { tools: [{ name: 'write', args: { filePath: 'a b/grüße.txt', content: 'hello\n' } }] },
  { text: 'Written.' },
])}`;

let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;

beforeEach(async () => {
  folder = await tempDir('program-');
  model = await startScriptedModel();
});

afterEach(async () => {
  await model.close();
  await folder.remove();
});

const environment = (): Record<string, string> => bridgeEnv(folder.path, model.url);

async function runTask(client: Client): Promise<void> {
  const call = (name: string, args: Record<string, unknown>) => client.callTool({ name, arguments: args });
  const executed = await call('opencode_execute_task', {
    task_description: TASK,
    sync: true,
    agent_id: 'me',
  });
  expect(executed.structuredContent).toMatchObject({ status: 'completed', result: { summary: 'Written.' } });
  const { task_id } = executed.structuredContent as { task_id: string };
  const files = await call('get_task_files', { task_id, include_diff: true });
  expect(files.structuredContent).toMatchObject({
    changes: [{ path: 'a b/grüße.txt', change: 'added', additions: 1 }],
    patch: expect.stringContaining('+hello'),
  });
  const read = await call('read_task_file', { task_id, file_path: 'a b/grüße.txt' });
  expect(read.structuredContent).toMatchObject({ content: 'hello\n', size: 6, truncated: false });
  const history = await call('get_task_history', { task_id, include_artifacts: true });
  expect(history.structuredContent).toMatchObject({ artifacts: [{ path: 'a b/grüße.txt' }] });
}

describe('the demo', () => {
  it('runs a task end to end and ends with 0, in plain lines where there is no terminal', async () => {
    const demo = startProgram('demo', {
      PATH: process.env.PATH ?? '',
      HOME: folder.path,
      TMPDIR: folder.path,
    });
    expect(await demo.exit, demo.stderr()).toBe(0);
    expect(demo.stdout()).toContain('added primes.js (+6)');
    expect(demo.stdout()).toMatch(/\[█+░*\] \S/);
    expect(demo.stdout()).not.toContain('\u001b');
    expect(demo.stderr()).toBe('');
  });
});

describe('serve', () => {
  it('serves a task over HTTP, and on SIGTERM leaves neither process nor lock', async () => {
    const bridge = startProgram('serve', environment());
    try {
      const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
      const [, engine = ''] = await bridge.says(/"pid":(\d+).*OpenCode server listens/);
      const client = new Client({ name: 'test', version: '0' });
      await client.connect(new StreamableHTTPClientTransport(new URL(url)));
      await runTask(client);
      await client.close();
      expect(isRunning(Number(engine))).toBe(true);
      bridge.child.kill('SIGTERM');
      expect(await bridge.exit).toBe(0);
      expect(isRunning(Number(engine))).toBe(false);
      expect(bridge.stderr()).not.toContain('grüße');
      expect(bridge.stdout()).toBe('');
    } finally {
      bridge.child.kill('SIGKILL');
    }
  });

  it('refuses a second bridge on one DATA_DIR with exit code 4', async () => {
    const first = startProgram('serve', environment());
    try {
      await first.says(/the bridge serves/);
      const second = startProgram('serve', environment());
      expect(await second.exit).toBe(4);
      expect(second.stderr()).toMatch(
        new RegExp(
          `is in use by another bridge process: process ${first.child.pid} \\(serve, since 20\\S+, http://127.0.0.1:\\d+/mcp\\)`,
        ),
      );
    } finally {
      first.child.kill('SIGTERM');
      await first.exit;
    }
  });

  it('without Docker in Docker mode: serves, and says what is missing', async () => {
    const host = 'unix:///nowhere/docker.sock';
    const bridge = startProgram('serve', {
      ...environment(),
      OPENCODE_SERVER_ENABLED: 'false',
      DOCKER_HOST: host,
    });
    try {
      const [, url = ''] = await bridge.says(/"url":"(http:[^"]+)\/mcp"/);
      expect(bridge.stderr()).toMatch(/no task can run until Docker is available/);
      const ready = await fetch(`${url}/ready`);
      expect(ready.status).toBe(503);
      expect(await ready.text()).toContain(host);
    } finally {
      bridge.child.kill('SIGTERM');
      await bridge.exit;
    }
  });
});

describe('stdio', () => {
  it('serves one client over stdin and stdout', async () => {
    const client = new Client({ name: 'test', version: '0' });
    const env = { ...COMPILE_CACHE, ...getDefaultEnvironment(), ...environment() };
    await client.connect(
      new StdioClientTransport({
        command: process.execPath,
        args: [PROGRAM, 'stdio'],
        env,
        stderr: 'ignore',
      }),
    );
    await runTask(client);
    await client.close();
  });
});
