import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Rule, type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';

const open: ScriptedModel[] = [];
afterEach(async () => {
  for (const model of open.splice(0)) await model.close();
});

async function start(rules: Rule[] = []): Promise<ScriptedModel> {
  const model = await startScriptedModel({ rules });
  open.push(model);
  return model;
}

interface Call {
  stream?: boolean;
  session?: string;
  signal?: AbortSignal;
}

function ask(model: ScriptedModel, content: string, call: Call = {}): Promise<Response> {
  return fetch(`${model.url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-session-affinity': call.session ?? 'ses_1' },
    signal: call.signal ?? null,
    body: JSON.stringify({
      model: 'm1',
      stream: call.stream ?? true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content }],
      tools: [{ type: 'function', function: { name: 'bash' } }],
    }),
  });
}

const run = (model: ScriptedModel, steps: Script, call?: Call) => ask(model, scriptText(steps), call);

const ChunkSchema = z.object({
  object: z.literal('chat.completion.chunk'),
  model: z.literal('m1'),
  choices: z.array(
    z.object({
      delta: z.looseObject({
        tool_calls: z
          .array(
            z.object({
              index: z.number(),
              id: z.string().optional(),
              type: z.string().optional(),
              function: z.object({ name: z.string().optional(), arguments: z.string() }),
            }),
          )
          .optional(),
      }),
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: z.unknown().optional(),
});

/** The chunks of a whole stream, which must end with [DONE]. */
async function chunksOf(response: Response) {
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '');
  const lines = blocks.map((block) => block.replace(/^data: /, ''));
  expect(lines.pop()).toBe('[DONE]');
  return lines.map((line) => ChunkSchema.parse(JSON.parse(line)));
}

describe('a streamed answer', () => {
  it('sends role, reasoning, text in deltas, finish, usage and [DONE]', async () => {
    const response = await run(await start(), [
      { reasoning: 'hm', text: 'héllo!', chunks: 3, delayMs: 1, usage: { input: 7, output: 3 } },
    ]);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const chunks = await chunksOf(response);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { reasoning_content: 'hm' },
      { content: 'hé' },
      { content: 'll' },
      { content: 'o!' },
      {},
      undefined,
    ]);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
    expect(chunks.at(-1)?.usage).toEqual({ prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 });
  });

  it('sends tool calls whose arguments join to the args', async () => {
    const args = { command: 'echo "hi"', nested: { n: [1] } };
    const tools = ['bash', 'write'].map((name) => ({ name, args }));
    const chunks = await chunksOf(await run(await start(), [{ tools }]));
    const calls = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    for (const index of [0, 1]) {
      const mine = calls.filter((call) => call.index === index);
      expect(mine[0]).toMatchObject({ type: 'function', function: { name: tools[index]?.name } });
      expect(JSON.parse(mine.map((call) => call.function.arguments).join(''))).toEqual(args);
    }
    expect(new Set(calls.map((call) => call.id).filter(Boolean)).size).toBe(2);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('is cut after about half of the deltas', async () => {
    const response = await run(await start(), [{ text: 'abcdef', cut: true }]);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await expect(async () => {
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) return;
        text += part.value;
      }
    }).rejects.toThrow();
    expect(text).toContain('"content":"abc"');
    expect(text).not.toContain('"content":"def"');
  });
});

describe('a stream that goes wrong', () => {
  it('ends in order without its closing events when it is truncated', async () => {
    const text = await (await run(await start(), [{ text: 'abcdef', truncate: true }])).text();
    expect(text).toContain('"content":"abc"');
    expect(text).not.toContain('"content":"def"');
    expect(text).not.toMatch(/"finish_reason":"|usage|DONE/);
  });

  it('ends with the error that the step names', async () => {
    const text = await (await run(await start(), [{ text: 'abcdef', streamError: 'Overloaded' }])).text();
    expect(text.trim().split('\n\n').at(-1)).toMatch(/^data: \{"error":\{"message":"Overloaded"/);
    expect(text).not.toContain('"content":"def"');
  });

  it('is half of a body when it is not streamed', async () => {
    const response = await run(await start(), [{ text: 'abcdef', truncate: true }], { stream: false });
    expect(response.status).toBe(200);
    await expect(response.json()).rejects.toThrow(SyntaxError);
  });
});

describe('an answer in one piece', () => {
  it('has the message, the tool calls, the finish reason and usage', async () => {
    const steps: Script = [{ text: 'hi', finish: 'length', tools: [{ name: 'bash', args: { a: 1 } }] }];
    const response = await run(await start(), steps, { stream: false });
    expect(await response.json()).toMatchObject({
      object: 'chat.completion',
      choices: [
        {
          message: {
            role: 'assistant',
            content: 'hi',
            tool_calls: [{ function: { name: 'bash', arguments: '{"a":1}' } }],
          },
          finish_reason: 'length',
        },
      ],
      usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
    });
  });

  it('counts what was read from a cache as part of the prompt', async () => {
    const usage = { input: 50, output: 20, cacheRead: 40, cacheWrite: 10, reasoning: 5 };
    const response = await run(await start(), [{ text: 'hi', usage }], { stream: false });
    expect(await response.json()).toMatchObject({
      usage: {
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 120,
        prompt_tokens_details: { cached_tokens: 40 },
        completion_tokens_details: { reasoning_tokens: 5 },
      },
    });
  });

  it('comes from a rule, and from Done. without one', async () => {
    const model = await start([{ when: 'readme', steps: [{ text: 'by rule' }] }]);
    const text = async (content: string) => (await ask(model, content, { stream: false })).text();
    expect(await text('Write the README')).toContain('by rule');
    expect(await text('hello')).toContain('Done.');
  });
});

describe('a failing step', () => {
  const fail = {
    status: 429,
    times: 2,
    code: 'slow_down',
    message: 'Slow down',
    headers: { 'retry-after': '1' },
  };

  it('fails the given number of times in each conversation', async () => {
    const model = await start();
    const status = async (session: string) =>
      (await run(model, [{ text: 'ok', fail }], { session, stream: false })).status;
    expect([await status('a'), await status('b'), await status('a'), await status('b')]).toEqual([
      429, 429, 429, 429,
    ]);
    expect([await status('a'), await status('b')]).toEqual([200, 200]);
  });

  it('has the OpenAI shape and the given headers', async () => {
    const response = await run(await start(), [{ fail }]);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toEqual({
      error: { message: 'Slow down', type: 'rate_limit_error', code: 'slow_down' },
    });
  });

  it('fails for ever without a number of times', async () => {
    const model = await start();
    for (let i = 0; i < 4; i++) expect((await run(model, [{ fail: { status: 500 } }])).status).toBe(500);
  });
});

describe('a request the model cannot answer', () => {
  it('is refused with the reason', async () => {
    const model = await start();
    const broken = await ask(model, 'do <<[{"txt":"a"}]>>');
    expect(broken.status).toBe(400);
    expect(await broken.json()).toMatchObject({
      error: { code: 'invalid_script', message: expect.stringContaining('txt') },
    });
    const notJson = await fetch(`${model.url}/chat/completions`, { method: 'POST', body: 'nope' });
    expect(notJson.status).toBe(400);
    expect((await fetch(`${model.url}/models`)).status).toBe(404);
  });
});

describe('a hanging step', () => {
  it('sends no headers until the client gives up', async () => {
    const model = await start();
    await expect(run(model, [{ hang: 'headers' }], { signal: AbortSignal.timeout(300) })).rejects.toThrow();
    expect((await run(model, [{ text: 'next' }])).status).toBe(200);
  });

  it('stops midway and is ended by close', async () => {
    const model = await start();
    const response = await run(model, [{ text: 'abcdef', hang: 'mid' }]);
    const body = response.text();
    await model.close();
    await expect(body).rejects.toThrow();
  });

  it('leaves no timer after a disconnect and nothing after close', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', DISCONNECT],
      {
        timeout: 30_000,
        env: { ...process.env, SERVER: import.meta.resolve('../../src/cli/demo/scripted-model/server.ts') },
      },
    );
    expect(JSON.parse(stdout)).toEqual({ during: true, after: false });
  });
});

it('records what was asked and which step answered', async () => {
  const model = await start();
  await (await run(model, [{ text: 'x' }], { session: 'ses_9' })).text();
  expect(model.requests).toEqual([
    {
      time: expect.any(Number),
      session: 'ses_9',
      messages: [{ role: 'user', content: '<<[{"text":"x"}]>>' }],
      tools: ['bash'],
      step: 0,
      title: false,
    },
  ]);
});

/** A process of its own, so that the only timer in it is the one of the answer. */
const DISCONNECT = `
const { startScriptedModel } = await import(process.env.SERVER);
const model = await startScriptedModel();
const hasTimer = () => process.getActiveResourcesInfo().includes('Timeout');
const client = new AbortController();
const content = '<<[{"text":"abc","chunks":3,"delayMs":600000}]>>';
const response = await fetch(model.url + '/chat/completions', {
  method: 'POST', signal: client.signal,
  body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content }] }),
});
await response.body.getReader().read();
const during = hasTimer();
client.abort();
const limit = Date.now() + 10000;
while (hasTimer() && Date.now() < limit) await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify({ during, after: hasTimer() }));
await model.close();
`;
