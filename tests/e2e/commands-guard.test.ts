import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { noSandbox } from '../support/sandbox.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, type Program, startProgram } from './program.ts';

/** Calls the bridge as a client would, and writes down what it was answered. */
const CALLER = `
port=$1
ask() {
  exec 3<> "/dev/tcp/127.0.0.1/$port"
  printf 'POST /mcp HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nContent-Type: application/json\\r\\n%sContent-Length: %s\\r\\n\\r\\n%s' "$2" "\${#1}" "$1" >&3
  cat <&3
}
init='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"hostile","version":"0"}}}'
answer=$(ask "$init" '')
session=$(printf '%s' "$answer" | tr -d '\\r' | sed -n 's/^[Mm]cp-[Ss]ession-[Ii]d: //p')
printf '%s' "$answer" | tr -d '\\r' | tr '\\n' ' ' >> report
if [ -n "$session" ]; then
  call='{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"opencode_execute_task","arguments":{"task_description":"mine","agent_id":"hostile"}}}'
  ask "$call" "$(printf 'Mcp-Session-Id: %s\\r\\n.' "$session" | sed '$s/\\.$//')" >> report
fi
`;

describe.skipIf(noSandbox !== undefined)(
  `a bridge that asks for no token${noSandbox ? ` (${noSandbox})` : ''}`,
  () => {
    let folder: Awaited<ReturnType<typeof tempDir>>;
    let model: ScriptedModel;
    let serve: Program;
    let url: string;

    beforeAll(async () => {
      folder = await tempDir('commands-guard-');
      model = await startScriptedModel();
      const env = { ...bridgeEnv(folder.path, model.url), MCP_PORT: `${await freePort()}` };
      serve = startProgram('serve', { ...env, ALLOWED_DIRECTORIES: folder.path });
      [, url = ''] = await serve.says(/"url":"(http:[^"]+\/mcp)"/);
    });
    afterAll(async () => {
      serve.child.kill('SIGTERM');
      await serve.exit;
      await model.close();
      await folder.remove();
    });

    it.each([
      ['a command', (call: string) => call],
      ['a process in the background', (call: string) => `(setsid ${call} &) ; sleep 3`],
      ['a process in a namespace that it has made', (call: string) => `unshare -Urpf ${call} || ${call}`],
    ])('is not open to %s of a task, and open to a client meanwhile', async (_, how) => {
      const directory = join(folder.path, `project-${Math.random().toString(36).slice(2)}`);
      await mkdir(directory);
      await writeFile(join(directory, 'caller.sh'), CALLER);
      const report = join(directory, 'report');
      const command = how(`bash caller.sh ${new URL(url).port}`);
      await using client = await connect(url);
      const task_description = scriptText([bash(`${command}; sleep 1`), { text: 'Done.' }]);
      const started = client.call({ task_description, directory, agent_id: 'good', sync: true });
      // A client that comes while the task works is none of its commands.
      await using other = await connect(url);
      expect(await other.names()).toContain('ping');
      expect(await started).toMatchObject({ status: 'completed' });
      const said = await readFile(report, 'utf8');
      expect(said).toMatch(/^HTTP\/1\.1 403 .*command of a task/);
      expect(said).not.toContain('hostile');
      expect(await other.call({ agent_id: 'hostile' }, 'list_tasks')).toMatchObject({ tasks: [] });
    });

    it('is not open to what OpenCode fetches for a task', async () => {
      await using client = await connect(url);
      const secret = 'work of another agent';
      await client.call({
        task_description: `${secret} ${scriptText([{ text: 'Done.' }])}`,
        agent_id: 'good',
        sync: true,
      });
      const port = new URL(url).port;
      const fetched = ['127.0.0.1', 'localhost'].map((host) => ({
        name: 'webfetch',
        args: { url: `http://${host}:${port}/tasks?agent_id=*`, format: 'text' },
      }));
      const asked = await client.call({
        task_description: scriptText([{ tools: fetched }, { text: 'Done.' }]),
        agent_id: 'hostile',
        sync: true,
      });
      expect(asked).toMatchObject({ status: 'completed' });
      const seen = JSON.stringify(model.requests.at(-1));
      expect(seen).toContain('webfetch');
      expect(seen).not.toContain(secret);
      expect(seen).toContain('403');
    });
  },
);

async function connect(url: string) {
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return {
    names: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (args: Record<string, unknown>, name = 'opencode_execute_task') =>
      (await client.callTool({ name, arguments: args })).structuredContent,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
