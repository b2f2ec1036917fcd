import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOpencodeClient, type Message, type Part } from '@opencode-ai/sdk/v2/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';

const LIMIT = 60_000;
const OFFERED = 'bash edit glob grep question read skill task todowrite webfetch write';
const OFFERED_TO_SUBAGENT = 'bash edit glob grep read skill webfetch write';
const undo: (() => Promise<void>)[] = [];
let model: ScriptedModel;
let engine: RunningOpenCode;
let directory: string;
let client: ReturnType<typeof createOpencodeClient>;

beforeAll(async () => {
  model = await startScriptedModel();
  undo.push(() => model.close());
  const project = await tempDir('scripted-project-');
  undo.push(project.remove);
  directory = project.path;
  engine = await startOpenCode({ modelUrl: model.url });
  undo.push(engine.stop);
  const credentials = Buffer.from(`${engine.username}:${engine.password}`).toString('base64');
  client = createOpencodeClient({ baseUrl: engine.url, headers: { authorization: `Basic ${credentials}` } });
});

afterAll(async () => {
  for (const release of undo.reverse()) await release();
});

/** Runs a script in a new session and answers the messages of the finished turn. */
async function play(title: string, steps: Script): Promise<{ info: Message; parts: Part[] }[]> {
  const session = await client.session.create({ directory, title }, { throwOnError: true });
  const sessionID = session.data.id;
  const parts = [{ type: 'text' as const, text: `Please do this: ${scriptText(steps)} Thank you.` }];
  await client.session.promptAsync({ sessionID, directory, parts }, { throwOnError: true });
  const read = async () =>
    (await client.session.messages({ sessionID, directory }, { throwOnError: true })).data;
  await expect
    .poll(async () => finishOf((await read()).at(-1)?.info), { timeout: LIMIT, interval: 100 })
    .toBe('stop');
  return read();
}

const finishOf = (info?: Message) => (info?.role === 'assistant' ? info.finish : undefined);

const toolStates = (messages: { parts: Part[] }[]) =>
  messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool' ? [part.state] : [])));

it(
  'writes a file and runs a command',
  async () => {
    const filePath = join(directory, 'hello.txt');
    const messages = await play('Hello', [
      {
        reasoning: 'A file first.',
        text: 'Writing',
        chunks: 2,
        tools: [{ name: 'write', args: { filePath, content: 'hello\n' } }],
      },
      { tools: [{ name: 'bash', args: { command: 'cat hello.txt', description: 'Show the file' } }] },
      { text: 'All done' },
    ]);
    expect(await readFile(filePath, 'utf8')).toBe('hello\n');
    expect(toolStates(messages)).toMatchObject([
      { status: 'completed', output: 'Wrote file successfully.' },
      { status: 'completed', output: 'hello\n', metadata: { exit: 0 } },
    ]);
    expect(messages.at(-1)?.parts).toContainEqual(
      expect.objectContaining({ type: 'text', text: 'All done' }),
    );
  },
  LIMIT + 10_000,
);

it(
  'hands a nested script to a subagent',
  async () => {
    const nested: Script = [
      { tools: [{ name: 'bash', args: { command: 'echo "sub ]>>" > sub.txt', description: 'Write' } }] },
      { text: 'The subagent says ]>>' },
    ];
    const args = {
      description: 'A part of the work',
      prompt: `Do ${scriptText(nested)}`,
      subagent_type: 'general',
    };
    const before = model.requests.length;
    const messages = await play('Nested', [{ tools: [{ name: 'task', args }] }, { text: 'Parent done' }]);
    expect(await readFile(join(directory, 'sub.txt'), 'utf8')).toBe('sub ]>>\n');
    expect(toolStates(messages)).toMatchObject([
      { status: 'completed', output: expect.stringContaining('The subagent says ]>>') },
    ]);
    expect(model.requests.slice(before).map(({ tools }) => tools.join(' '))).toEqual([
      OFFERED,
      OFFERED_TO_SUBAGENT,
      OFFERED_TO_SUBAGENT,
      OFFERED,
    ]);
  },
  LIMIT + 10_000,
);

it(
  'is asked again by OpenCode after a failure and after the same step in another session',
  async () => {
    const steps: Script = [
      { text: 'Worked', fail: { status: 503, times: 1, headers: { 'retry-after-ms': '50' } } },
    ];
    const before = model.requests.length;
    await Promise.all([play('First', steps), play('Second', steps)]);
    expect(model.requests.slice(before).map((request) => request.step)).toEqual([0, 0, 0, 0]);
  },
  LIMIT + 10_000,
);

it(
  'titles a session that has none',
  async () => {
    const session = await client.session.create({ directory }, { throwOnError: true });
    const sessionID = session.data.id;
    const parts = [{ type: 'text' as const, text: 'Hello' }];
    await client.session.promptAsync({ sessionID, directory, parts }, { throwOnError: true });
    await expect
      .poll(async () => (await client.session.get({ sessionID, directory })).data?.title, { timeout: LIMIT })
      .toBe('Scripted title');
  },
  LIMIT + 10_000,
);

it(
  'takes its shells along when it is stopped',
  async () => {
    const pidFile = join(directory, 'shell.pid');
    const session = await client.session.create({ directory, title: 'Long' }, { throwOnError: true });
    const command = `echo $$ > ${pidFile}; sleep 600`;
    const steps = [{ tools: [{ name: 'bash', args: { command, description: 'Wait' } }] }];
    const parts = [{ type: 'text' as const, text: scriptText(steps) }];
    await client.session.promptAsync(
      { sessionID: session.data.id, directory, parts },
      { throwOnError: true },
    );
    const read = () => readFile(pidFile, 'utf8').catch(() => '');
    await expect.poll(read, { timeout: LIMIT }).toMatch(/\d+\n/);
    const pid = Number(await read());
    await engine.stop();
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect(await readdir(engine.home).catch(() => 'gone')).toBe('gone');
  },
  LIMIT + 30_000,
);

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
