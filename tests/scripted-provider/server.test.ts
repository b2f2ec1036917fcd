import { describe, expect, it } from 'vitest';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { DIALECT_NAMES, type DialectName } from '../support/scripted-provider/dialect.ts';
import {
  DIALECTS,
  type ScriptedProvider,
  startScriptedProvider,
} from '../support/scripted-provider/server.ts';

const KEY = 'the-real-key-1234';

interface Call {
  streamed?: boolean;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Instead of the request that the dialect takes. */
  body?: unknown;
}

const KEYS: Record<DialectName, (key: string) => Record<string, string>> = {
  anthropic: (key) => ({ 'x-api-key': key }),
  'openai-chat': (key) => ({ authorization: `Bearer ${key}` }),
  'openai-responses': (key) => ({ authorization: `Bearer ${key}` }),
  openrouter: (key) => ({ authorization: `Bearer ${key}` }),
};

const BODIES: Record<DialectName, (content: string) => object> = {
  anthropic: (content) => ({
    max_tokens: 10,
    messages: [{ role: 'user', content }],
    tools: [{ name: 'bash' }],
  }),
  'openai-chat': (content) => ({
    messages: [{ role: 'user', content }],
    tools: [{ type: 'function', function: { name: 'bash' } }],
    stream_options: { include_usage: true },
  }),
  'openai-responses': (input) => ({ input, tools: [{ type: 'function', name: 'bash' }] }),
  openrouter: (content) => ({
    messages: [{ role: 'user', content }],
    tools: [{ type: 'function', function: { name: 'bash' } }],
  }),
};

function ask(provider: ScriptedProvider, dialect: DialectName, steps: Script, call: Call = {}) {
  const { streamed = true, headers = KEYS[dialect](KEY), signal, body } = call;
  const request = { model: 'm1', stream: streamed, ...BODIES[dialect](`Do ${scriptText(steps)}`) };
  return fetch(`${provider.baseUrl(dialect)}${DIALECTS[dialect].path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body ?? request),
    signal: signal ?? null,
  });
}

const start = () => startScriptedProvider({ key: KEY });

const ERRORS: Record<DialectName, (status: number, message: string) => object> = {
  anthropic: (_, message) => ({ type: 'error', error: { message }, request_id: expect.any(String) }),
  'openai-chat': (_, message) => ({ error: { message, param: null } }),
  'openai-responses': (_, message) => ({ error: { message, param: null } }),
  openrouter: (status, message) => ({ error: { code: status, message } }),
};

describe.each(DIALECT_NAMES)('the provider in the dialect %s', (dialect) => {
  const others = DIALECT_NAMES.filter(
    (name) => Object.keys(KEYS[name](KEY))[0] !== Object.keys(KEYS[dialect](KEY))[0],
  );

  it('refuses a request without the key, in the words of the API', async () => {
    await using provider = await start();
    const wrong = [{}, KEYS[dialect]('another-key-5678'), ...others.map((name) => KEYS[name](KEY))];
    for (const headers of wrong) {
      const response = await ask(provider, dialect, [{ text: 'Hi' }], { headers });
      expect(response.status).toBe(401);
      const body = await response.text();
      expect(JSON.parse(body)).toMatchObject(ERRORS[dialect](401, expect.any(String)));
      expect(body).not.toMatch(/another-key-5678|the-real-key-1234/);
    }
    expect(provider.requests).toHaveLength(wrong.length);
    expect(provider.requests.every(({ asked }) => asked === undefined)).toBe(true);
  });

  it('records what came over the wire', async () => {
    await using provider = await start();
    const headers = { ...KEYS[dialect](KEY), 'x-session-id': 'ses_1' };
    await (await ask(provider, dialect, [{ text: 'Hi' }], { headers })).text();
    expect(provider.requests).toMatchObject([
      {
        dialect,
        method: 'POST',
        url: `${DIALECTS[dialect].base}${DIALECTS[dialect].path}`,
        headers,
        body: { model: 'm1', stream: true },
        asked: { tools: ['bash'], step: 0, title: false },
        outcome: 'ended',
      },
    ]);
  });

  it('fails as scripted, with the headers of the script', async () => {
    await using provider = await start();
    const fail = { status: 429, times: 1, message: 'Slow down', headers: { 'retry-after': '7' } };
    const first = await ask(provider, dialect, [{ text: 'Hi', fail }]);
    expect(first.status).toBe(429);
    expect(first.headers.get('retry-after')).toBe('7');
    expect(await first.json()).toMatchObject(ERRORS[dialect](429, 'Slow down'));
    const second = await ask(provider, dialect, [{ text: 'Hi', fail }]);
    expect(second.status).toBe(200);
    expect(await second.text()).toContain('Hi');
  });

  it('refuses what is not a request of the API', async () => {
    await using provider = await start();
    for (const body of ['not JSON', { model: 'm1' }, { messages: 'x', input: 7 }]) {
      const response = await ask(provider, dialect, [], { body });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject(ERRORS[dialect](400, expect.any(String)));
    }
    const unknown = await fetch(`${provider.baseUrl(dialect)}/models`, { headers: KEYS[dialect](KEY) });
    expect(unknown.status).toBe(404);
  });

  it('notices that the client goes away', async () => {
    await using provider = await start();
    for (const hang of ['headers', 'mid'] as const) {
      const client = new AbortController();
      const asked = ask(provider, dialect, [{ text: 'abcdef', hang }], { signal: client.signal });
      const ended = expect(asked.then((response) => response.text())).rejects.toThrow();
      await expect.poll(() => provider.requests.at(-1)?.asked?.step).toBe(0);
      client.abort();
      await ended;
      await expect.poll(() => provider.requests.at(-1)?.outcome).toBe('broken');
    }
  });

  it('breaks the connection in the middle of an answer', async () => {
    await using provider = await start();
    const response = await ask(provider, dialect, [{ text: 'abcdef', cut: true }]);
    await expect(response.text()).rejects.toThrow();
    expect(provider.requests).toMatchObject([{ outcome: 'broken' }]);
  });
});

/** The data of a stream and the names of its events. */
async function eventsOf(response: Response) {
  const blocks = (await response.text()).trim().split('\n\n');
  return blocks.map((block) => ({
    name: /^event: (.*)$/m.exec(block)?.[1],
    data: /^data: (.*)$/m.exec(block)?.[1],
    block,
  }));
}

const STEP = {
  reasoning: 'hm',
  text: 'abcd',
  chunks: 2,
  tools: [{ name: 'bash', args: { command: 'true' } }],
  usage: { input: 50, output: 20, cacheRead: 40, cacheWrite: 10, reasoning: 5, cost: 0.25 },
};

describe('the stream of an answer', () => {
  it('is that of the messages of Anthropic', async () => {
    await using provider = await start();
    const events = await eventsOf(await ask(provider, 'anthropic', [STEP]));
    expect(events.map(({ name }) => name)).toEqual([
      'message_start',
      'ping',
      ...['content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_stop'],
      ...['content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_stop'],
      ...['content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_stop'],
      'message_delta',
      'message_stop',
    ]);
    const data = events.map((event) => JSON.parse(event.data ?? ''));
    expect(data.every(({ type }, index) => type === events[index]?.name)).toBe(true);
    expect(data[0]).toMatchObject({
      message: {
        role: 'assistant',
        usage: { input_tokens: 50, cache_read_input_tokens: 40, cache_creation_input_tokens: 10 },
      },
    });
    const json = data.flatMap(({ delta }) => delta?.partial_json ?? []).join('');
    expect(JSON.parse(json)).toEqual({ command: 'true' });
    expect(data.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 20 } });
  });

  it('is that of the responses of OpenAI', async () => {
    await using provider = await start();
    const events = await eventsOf(await ask(provider, 'openai-responses', [STEP]));
    const data = events.map((event) => JSON.parse(event.data ?? ''));
    expect(data.map(({ sequence_number }) => sequence_number)).toEqual(data.map((_, index) => index));
    expect(data.every(({ type }, index) => type === events[index]?.name)).toBe(true);
    expect([events[0]?.name, events.at(-1)?.name]).toEqual(['response.created', 'response.completed']);
    const json = data.flatMap(({ type, delta }) => (type.includes('arguments.delta') ? delta : []));
    expect(json.length).toBeGreaterThan(1);
    expect(JSON.parse(json.join(''))).toEqual({ command: 'true' });
    expect(data.at(-1)?.response).toMatchObject({
      status: 'completed',
      output: [{ type: 'reasoning' }, { type: 'message' }, { type: 'function_call', name: 'bash' }],
      usage: {
        input_tokens: 100,
        input_tokens_details: { cached_tokens: 40 },
        output_tokens: 20,
        output_tokens_details: { reasoning_tokens: 5 },
      },
    });
  });

  it('has comments and the cost on OpenRouter, whether the request asks for usage or not', async () => {
    await using provider = await start();
    const events = await eventsOf(await ask(provider, 'openrouter', [STEP]));
    expect(events.filter(({ block }) => block === ': OPENROUTER PROCESSING')).toHaveLength(2);
    expect(events[0]?.data).toBeUndefined();
    const data = events.flatMap((event) => event.data ?? []);
    expect(data.pop()).toBe('[DONE]');
    expect(JSON.parse(data.at(-1) ?? '')).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 20,
        cost: 0.25,
        prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 10 },
      },
    });
    expect(data.some((line) => line.includes('"delta":{"reasoning":"hm"}'))).toBe(true);
  });
});

describe('an answer in one piece', () => {
  it.each<[DialectName, object]>([
    [
      'anthropic',
      {
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'abcd' },
          { type: 'tool_use', name: 'bash', input: { command: 'true' } },
        ],
        stop_reason: 'tool_use',
        usage: { input_tokens: 50, output_tokens: 20 },
      },
    ],
    ['openai-chat', { choices: [{ message: { content: 'abcd' } }], usage: { total_tokens: 120 } }],
    ['openai-responses', { status: 'completed', usage: { total_tokens: 120 } }],
    ['openrouter', { choices: [{ message: { content: 'abcd' } }], usage: { cost: 0.25 } }],
  ])('is that of %s', async (dialect, expected) => {
    await using provider = await start();
    const response = await ask(provider, dialect, [STEP], { streamed: false });
    expect(await response.json()).toMatchObject(expected);
  });

  it('says why it is not whole', async () => {
    await using provider = await start();
    const status = async (finish: 'length' | 'content_filter') =>
      (await ask(provider, 'openai-responses', [{ text: 'ab', finish }], { streamed: false })).json();
    expect(await status('length')).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    });
    expect(await status('content_filter')).toMatchObject({
      incomplete_details: { reason: 'content_filter' },
    });
  });
});

describe('the step of a script', () => {
  it('counts an answer of several items once, in OpenAI responses', async () => {
    await using provider = await start();
    const steps = [{ text: 'one' }, { text: 'two' }, { text: 'three' }];
    const answered = [
      { type: 'reasoning', id: 'rs_1', summary: [] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'one' }] },
      { type: 'function_call', call_id: 'c1', name: 'bash', arguments: '{}' },
      { type: 'function_call', call_id: 'c2', name: 'bash', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'x' },
      { type: 'function_call_output', call_id: 'c2', output: 'x' },
    ];
    const input = [
      { role: 'developer', content: 'Be good' },
      { role: 'user', content: scriptText(steps) },
    ];
    for (const [items, step] of [
      [answered, 1],
      [[...answered, { role: 'assistant', content: 'two' }], 2],
      [[answered[1], { role: 'assistant', content: 'again' }], 2],
    ] as const) {
      const body = { model: 'm1', stream: false, input: [...input, ...items] };
      await (await ask(provider, 'openai-responses', [], { body })).text();
      expect(provider.requests.at(-1)?.asked?.step).toBe(step);
    }
  });

  it('goes on after the results of tools, beside which the user may speak, in Anthropic', async () => {
    await using provider = await start();
    const answered = [
      { role: 'user', content: scriptText([{ text: 'one' }, { text: 'two' }]) },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'bash', input: {} }] },
    ];
    const result = { type: 'tool_result', tool_use_id: 't1', content: '<<[{"text":"not a script"}]>>' };
    const answerTo = async (content: object[]) => {
      const messages = [...answered, { role: 'user', content }];
      const body = { model: 'm1', max_tokens: 10, stream: false, messages };
      return (await ask(provider, 'anthropic', [], { body })).json();
    };
    expect(await answerTo([result])).toMatchObject({ content: [{ text: 'two' }] });
    expect(await answerTo([result, { type: 'text', text: 'Hurry' }])).toMatchObject({
      content: [{ text: 'Understood: Hurry' }],
    });
  });
});
