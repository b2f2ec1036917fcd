import { createOpencodeClient, type Message, type Part } from '@opencode-ai/sdk/v2/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Script, type Step, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { BUILT_IN_MODELS, type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { DIALECT_NAMES, type DialectName } from '../support/scripted-provider/dialect.ts';
import { DIALECT_MODELS, dialectConfig } from '../support/scripted-provider/provider-config.ts';
import {
  DIALECTS,
  type ScriptedProvider,
  startScriptedProvider,
} from '../support/scripted-provider/server.ts';
import { bash, subagent } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';

const LIMIT = 60_000;
const stack = new AsyncDisposableStack();
let provider: ScriptedProvider;
let engine: RunningOpenCode;
let client: ReturnType<typeof createOpencodeClient>;
let directory: string;

beforeAll(async () => {
  provider = stack.use(await startScriptedProvider({ key: 'the-key' }));
  directory = stack.use(await tempDir('scripted-provider-')).path;
  engine = stack.use(
    await startOpenCode({
      modelUrl: 'http://127.0.0.1:1/v1',
      config: dialectConfig(provider.baseUrl, 'the-key'),
      env: BUILT_IN_MODELS,
    }),
  );
  const credentials = Buffer.from(`${engine.username}:${engine.password}`).toString('base64');
  client = createOpencodeClient({ baseUrl: engine.url, headers: { authorization: `Basic ${credentials}` } });
});

afterAll(() => stack.disposeAsync(), 30_000);

/** Runs a script in a new session; without a title, the model is asked for one. */
async function play(dialect: DialectName, steps: Script, session: { title?: string } = { title: 'T' }) {
  const { providerID, modelID } = DIALECT_MODELS[dialect];
  const created = await client.session.create({ directory, ...session }, { throwOnError: true });
  const sessionID = created.data.id;
  const parts = [{ type: 'text' as const, text: `Please do this: ${scriptText(steps)} Thank you.` }];
  await client.session.prompt(
    { sessionID, directory, model: { providerID, modelID }, parts },
    { throwOnError: true },
  );
  const { data: messages } = await client.session.messages({ sessionID, directory }, { throwOnError: true });
  return { sessionID, messages, requests: requestsOf(sessionID) };
}

type Turn = Awaited<ReturnType<typeof play>>;

const requestsOf = (sessionID: string) =>
  provider.requests.filter(({ headers }) => headers['x-session-id'] === sessionID);
const last = ({ messages }: { messages: { info: Message; parts: Part[] }[] }) => messages.at(-1);
const textsOf = (parts: Part[] = []) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
const toolStates = ({ messages }: Turn) =>
  messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool' ? [part.state] : [])));

const KEY_HEADERS: Record<DialectName, object> = {
  anthropic: { 'x-api-key': 'the-key', 'anthropic-version': '2023-06-01' },
  'openai-chat': { authorization: 'Bearer the-key' },
  'openai-responses': { authorization: 'Bearer the-key' },
  openrouter: { authorization: 'Bearer the-key' },
};

const USAGE_FIELDS: Record<DialectName, object> = {
  anthropic: { stream: true, max_tokens: 32_000 },
  'openai-chat': { stream: true, max_tokens: 4096, stream_options: { include_usage: true } },
  'openai-responses': { stream: true, store: false },
  openrouter: { stream: true, max_tokens: 32_000, usage: { include: true } },
};

describe.each(DIALECT_NAMES)('OpenCode on %s', (dialect) => {
  it('runs a task with a tool call and a final text', async () => {
    const usage = { input: 50, output: 20, cacheRead: 40 };
    const turn = await play(dialect, [
      { reasoning: 'A command.', text: 'I run it, in a moment', chunks: 4, ...bash('echo "hi >>"') },
      { text: 'It says hi', chunks: 3, usage },
    ]);
    expect(toolStates(turn)).toMatchObject([
      { status: 'completed', input: { command: 'echo "hi >>"' }, output: 'hi >>\n' },
    ]);
    expect(textsOf(turn.messages[1]?.parts)).toEqual(['I run it, in a moment']);
    expect(textsOf(last(turn)?.parts)).toEqual(['It says hi']);
    expect(last(turn)?.info).toMatchObject({
      finish: 'stop',
      tokens: { input: 50, output: 20, cache: { read: 40, write: 0 } },
    });
    expect(turn.requests.map(({ asked, outcome }) => [asked?.step, outcome])).toEqual([
      [0, 'ended'],
      [1, 'ended'],
    ]);
  });

  it('sends the key, the session, and asks for a stream with usage', async () => {
    const { requests, sessionID } = await play(dialect, [{ text: 'Hi' }]);
    expect(requests).toMatchObject([
      {
        dialect,
        method: 'POST',
        headers: { ...KEY_HEADERS[dialect], 'x-session-affinity': sessionID, 'x-session-id': sessionID },
        body: USAGE_FIELDS[dialect],
      },
    ]);
    expect(Object.keys(requests[0]?.headers ?? {}).includes('authorization')).toBe(dialect !== 'anthropic');
    expect(requests[0]?.headers).not.toHaveProperty('x-parent-session-id');
  });

  it('names the parent in the requests of a subagent', async () => {
    const turn = await play(dialect, [subagent([{ text: 'Done by the subagent' }]), { text: 'Done' }]);
    expect(toolStates(turn)).toMatchObject([{ output: expect.stringContaining('Done by the subagent') }]);
    const children = provider.requests.filter(
      ({ headers }) => headers['x-parent-session-id'] === turn.sessionID,
    );
    expect(children).toMatchObject([{ dialect, headers: KEY_HEADERS[dialect], asked: { step: 0 } }]);
    expect(children[0]?.headers['x-session-id']).toMatch(/^ses_/);
    expect(children[0]?.headers['x-session-id']).not.toBe(turn.sessionID);
  });

  it('asks for the title of a session in the same dialect', async () => {
    const { sessionID } = await play(dialect, [{ text: 'Hi' }], {});
    const title = async () => (await client.session.get({ sessionID, directory })).data?.title;
    await expect.poll(title, { timeout: LIMIT }).toBe('Scripted title');
    expect(requestsOf(sessionID).filter(({ asked }) => asked?.title)).toMatchObject([{ dialect }]);
  });

  it('stops at a refusal, and shows its message', async () => {
    provider.revoke('the-key');
    const turn = await play(dialect, [{ text: 'Hi' }]).finally(() => {
      provider.accept('the-key');
    });
    const message = DIALECTS[dialect].refusal('the-key').message;
    expect(last(turn)?.info).toMatchObject({
      error: { name: 'APIError', data: { statusCode: 401, message, isRetryable: false } },
    });
    expect(turn.requests).toMatchObject([{ asked: undefined, outcome: 'ended' }]);
  });
});

/** All dialects at the same time, since OpenCode waits two seconds before it asks again. */
const everywhere = (steps: Script) => Promise.all(DIALECT_NAMES.map((dialect) => play(dialect, steps)));

describe('OpenCode asks again', () => {
  it.each<[string, Step]>([
    [
      'after 429, when the provider says',
      { fail: { status: 429, times: 1, headers: { 'retry-after-ms': '50' } } },
    ],
    ['after 503', { fail: { status: 503, times: 1, headers: { 'retry-after-ms': '50' } } }],
  ])('%s', async (_, step) => {
    for (const turn of await everywhere([{ text: 'Worked', ...step }])) {
      expect(textsOf(last(turn)?.parts)).toEqual(['Worked']);
      expect(turn.requests.map(({ asked }) => asked?.step)).toEqual([0, 0]);
    }
  });

  // Only the provider can tell that such an answer is not whole: OpenCode takes it for a step, and goes on.
  it('with the half of an answer whose stream ends in order', async () => {
    for (const turn of await everywhere([{ text: 'abcdef', truncate: true }, { text: 'The rest' }])) {
      expect(turn.messages.slice(1).map(({ parts }) => textsOf(parts))).toEqual([['abc'], ['The rest']]);
      expect(turn.requests.map(({ asked }) => asked?.step)).toEqual([0, 1]);
    }
  });
});

describe('OpenCode gives up an answer', () => {
  it.each<[string, Step, string, RegExp]>([
    [
      'whose connection breaks',
      { text: 'abcdef', cut: true },
      'broken',
      /connection was closed|reset by server/,
    ],
    [
      'that ends with an error',
      { text: 'abcdef', streamError: 'Overloaded' },
      'ended',
      /Overloaded|Server error/,
    ],
  ])('%s, and waits to ask again', async (_, step, outcome, message) => {
    for (const dialect of DIALECT_NAMES) {
      const sessionID = await begin(dialect, [step]);
      expect(await retryOf(sessionID)).toMatchObject({ attempt: 1, message: expect.stringMatching(message) });
      await client.session.abort({ sessionID, directory }, { throwOnError: true });
      expect(requestsOf(sessionID)[0]).toMatchObject({ asked: { step: 0 }, outcome });
    }
  });

  it('that it no longer wants, by closing the connection', async () => {
    for (const dialect of DIALECT_NAMES) {
      const sessionID = await begin(dialect, [{ text: 'abcdef', hang: 'mid' }]);
      await expect.poll(() => requestsOf(sessionID)[0]?.asked?.step, { timeout: LIMIT }).toBe(0);
      await client.session.abort({ sessionID, directory }, { throwOnError: true });
      await expect.poll(() => requestsOf(sessionID)[0]?.outcome, { timeout: LIMIT }).toBe('broken');
    }
  });
});

/** Begins a turn, and answers the session without waiting for its end. */
async function begin(dialect: DialectName, steps: Script): Promise<string> {
  const { providerID, modelID } = DIALECT_MODELS[dialect];
  const created = await client.session.create({ directory, title: 'T' }, { throwOnError: true });
  const sessionID = created.data.id;
  const parts = [{ type: 'text' as const, text: scriptText(steps) }];
  const model = { providerID, modelID };
  await client.session.promptAsync({ sessionID, directory, model, parts }, { throwOnError: true });
  return sessionID;
}

/** The status of a session that waits to ask again. */
function retryOf(sessionID: string) {
  const status = async () => {
    const now = (await client.session.status({ directory })).data?.[sessionID];
    expect(now?.type).toBe('retry');
    return now;
  };
  return vi.waitFor(status, { timeout: LIMIT, interval: 50 });
}
