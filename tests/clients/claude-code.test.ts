import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type Step, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { externalEnv, type Program, startProgram } from '../e2e/program.ts';
import {
  CLAUDE_CODE_ABSENT,
  type ClaudeCodeUser,
  claudeCodeIsThere,
  claudeCodeUser,
  type Terminal,
} from '../support/claude-code.ts';
import { type ScriptedProvider, startScriptedProvider } from '../support/scripted-provider/server.ts';
import { type SharedServer, sharedOpenCode } from '../support/shared-engine.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { expectObserved } from './observed.ts';
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts';

const absent = !claudeCodeIsThere();
const KEY = 'a-key-that-only-the-scripted-provider-knows';
const SERVER = 'opencode';
/** Each session may use the tools of the bridge without a question. */
const ALLOWED = ['--permission-mode', 'default', '--allowedTools', `mcp__${SERVER}`];
/** For a machine that does much else: Claude Code alone takes seconds of processor time to start. */
const LIMIT_MS = 200_000;

let folder: Awaited<ReturnType<typeof tempDir>>;
let server: SharedServer;
let bridge: Program & { url: string };
let proxy: RecordingProxy;
let claude: ScriptedProvider;
let user: ClaudeCodeUser;
let version: string;

/** Closed in the reverse order, also if the start fails. */
const opened = new AsyncDisposableStack();

/** The bridge as users start it, with the real OpenCode; only both models are scripted. */
beforeAll(async () => {
  if (absent) return;
  folder = opened.use(await tempDir('claude-code-bridge-'));
  server = await sharedOpenCode();
  await serve();
  opened.defer(stop);
  proxy = opened.use(await startRecordingProxy(() => bridge.url));
  const provider = await startScriptedProvider({
    key: KEY,
    rules: [
      {
        when: 'hand it over',
        steps: [startTask([held('gate'), { text: 'Made it.' }]), { text: 'Handed over.' }],
      },
      {
        when: 'then another',
        steps: [startTask([held('other'), { text: 'Made more.' }]), { text: 'Handed over.' }],
      },
      { when: 'what is two and two', steps: [{ text: 'Four, I think.' }] },
      {
        when: 'wait for it',
        steps: [startTask([{ text: 'Made at once.' }], { sync: true }), { text: 'It is there.' }],
      },
    ],
  });
  claude = opened.use(provider);
  user = opened.use(await claudeCodeUser(`${claude.origin}/anthropic`, KEY));
  version = (await user.run(['--version'])).split(' ')[0] ?? '';
  await user.run(['mcp', 'add', '--transport', 'http', SERVER, proxy.url]);
}, LIMIT_MS);

afterAll(() => opened.disposeAsync(), LIMIT_MS);

async function stop(): Promise<void> {
  bridge.child.kill('SIGTERM');
  await bridge.exit;
}

beforeEach(({ skip }) => skip(absent, CLAUDE_CODE_ABSENT));

async function serve(port = '0'): Promise<void> {
  const program = startProgram('serve', {
    ...externalEnv(folder.path, server),
    MCP_PORT: port,
  });
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  bridge = { ...program, url };
}

/** A step of Claude's model that hands over a task whose model answers with these. */
function startTask(steps: Step[], more: object = {}): Step {
  const args = { task_description: `Do it. ${scriptText(steps)}`, agent_id: 'claude', ...more };
  return { tools: [{ name: `mcp__${SERVER}__opencode_execute_task`, args }] };
}

/** A step that lasts until the test releases it. */
function held(gate: string): Step {
  return bash(`until [ -e ${join(folder.path, gate)} ]; do sleep 0.1; done`);
}

const release = (gate: string) => writeFile(join(folder.path, gate), '');

const BodySchema = z.looseObject({ messages: z.array(z.unknown()) });

/** The newest messages of each request to Claude's model, oldest first. */
function heard(): string[] {
  return claude.requests.map(({ body }) => JSON.stringify(BodySchema.parse(body).messages.slice(-2)));
}

/** Resolves once Claude's model is asked with this in the newest message. */
function wakes(...words: string[]): Promise<string> {
  return vi.waitFor(
    () => {
      const found = heard().find((text) => words.every((word) => text.includes(word)));
      if (found === undefined)
        throw new Error(`No message with ${words}: ${heard().at(-1)?.slice(0, 2_000)}`);
      return found;
    },
    { timeout: 120_000, interval: 50 },
  );
}

it('claude mcp list and get reach the bridge', { timeout: LIMIT_MS }, async () => {
  expect(await user.run(['mcp', 'list'])).toMatch(
    new RegExp(`${SERVER}: ${proxy.url} \\(HTTP\\).*Connected`),
  );
  expect(await user.run(['mcp', 'get', SERVER])).toContain(proxy.url);
});

it('-p waits for the task itself, and its model is given the structured content', {
  timeout: LIMIT_MS,
}, async () => {
  const before = proxy.sent.length;
  const said = await user.run(['-p', 'Please wait for it', ...ALLOWED]);
  expect(said.trim()).toBe('It is there.');
  const message = await wakes('tool_result', 'Made at once.');
  await expectObserved('claude-code-print', {
    client: 'Claude Code, `-p`',
    version,
    transport: 'http',
    sent: proxy.sent.slice(before),
    content: formIn(message),
    restart: 'one run',
  });
});

describe('a session in a terminal', () => {
  let terminal: Terminal;
  let before: number;

  beforeAll(async () => {
    if (absent) return;
    before = proxy.sent.length;
    terminal = user.open(ALLOWED);
    await terminal.shows('? for shortcuts');
    const listed = () => proxy.sent.slice(before).some(({ method }) => method === 'tools/list');
    await vi.waitUntil(listed, { timeout: LIMIT_MS });
  }, LIMIT_MS);

  it('goes on while its task runs, and is woken by the result', { timeout: LIMIT_MS }, async () => {
    await terminal.enter('Please hand it over');
    await terminal.shows('Handed over.');
    await terminal.enter('And what is two and two');
    await terminal.shows('Four, I think.');
    await release('gate');
    await wakes('<task-notification>', 'Made it.');
  });

  it('is woken although the bridge is killed and started again meanwhile', {
    timeout: LIMIT_MS,
  }, async () => {
    await terminal.enter('And then another');
    await terminal.shows('Handed over.');
    const { port } = new URL(bridge.url);
    bridge.child.kill('SIGKILL');
    await bridge.exit;
    await terminal.enter('Still: what is two and two');
    await terminal.shows('Four, I think.');
    await serve(port);
    await release('other');
    const message = await wakes('<task-notification>', 'Made more.');
    // Both cases of the session happened, or this is not reached.
    await expectObserved('claude-code', {
      client: 'Claude Code',
      version,
      transport: 'http',
      sent: proxy.sent.slice(before),
      content: formIn(message),
      restart: true,
      woken: true,
    });
  });
});

/** Which form of an answer a message to the model holds: only the structured one has its field names. */
function formIn(message: string): 'structured' | 'text' {
  return message.includes('\\"status\\":') ? 'structured' : 'text';
}
