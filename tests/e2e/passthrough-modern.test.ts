import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { COMPILE_CACHE, PROGRAM } from '../support/built-program.ts';
import { processesOf } from '../support/processes.ts';
import { type SharedServer, sharedOpenCode } from '../support/shared-engine.ts';
import { tempDir } from '../support/temp.ts';
import { externalEnv, type Program, startProgram } from './program.ts';

let server: SharedServer;
let folder: Awaited<ReturnType<typeof tempDir>>;
const programs: Program[] = [];

beforeAll(async () => {
  server = await sharedOpenCode();
});
beforeEach(async () => {
  folder = await tempDir('passthrough-modern-');
});
afterEach(async () => {
  for (const { child, exit } of programs.splice(0)) {
    child.kill('SIGKILL');
    await exit;
  }
  await expect.poll(() => processesOf(folder.path)).toEqual([]);
  await folder.remove();
});

function environment(): Record<string, string> {
  return {
    ...externalEnv(folder.path, server),
    ...COMPILE_CACHE,
  };
}

async function serve(): Promise<Program> {
  const program = startProgram('serve', environment());
  programs.push(program);
  await program.says(/"url":"(http:[^"]+\/mcp)"/);
  return program;
}

/** A client that starts `stdio` itself, as editors do, and speaks that revision with it. */
async function connect(mode: 'auto' | 'legacy' | { pin: string }): Promise<Client> {
  const client = new Client({ name: 'c', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [PROGRAM, 'stdio'],
      env: environment(),
      stderr: 'ignore',
    }),
  );
  return client;
}

async function run(client: Client): Promise<unknown> {
  const task_description = `Do it. ${scriptText([{ text: 'Done.' }])}`;
  const { structuredContent } = await client.callTool({
    name: 'opencode_execute_task',
    arguments: { task_description, sync: true },
  });
  return z.looseObject({ status: z.string() }).parse(structuredContent).status;
}

it.each([
  ['auto' as const, '2026-07-28'],
  [{ pin: '2026-07-28' }, '2026-07-28'],
  ['legacy' as const, '2025-11-25'],
])('stdio speaks with a client whose mode is %j, alone and beside a serve', async (mode, version) => {
  const alone = await connect(mode);
  expect(alone.getNegotiatedProtocolVersion()).toBe(version);
  expect(await run(alone)).toBe('completed');
  await alone.close();
  await serve();
  const beside = await connect(mode);
  expect(beside.getNegotiatedProtocolVersion()).toBe(version);
  expect(await run(beside)).toBe('completed');
  await beside.close();
});

it('a client of 2026-07-28 does not notice that the bridge was killed and started again', async () => {
  const first = await serve();
  const client = await connect('auto');
  expect(await run(client)).toBe('completed');
  first.child.kill('SIGKILL');
  await first.exit;
  await serve();
  expect(await run(client)).toBe('completed');
  await client.close();
});
