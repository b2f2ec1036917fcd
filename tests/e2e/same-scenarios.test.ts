import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { RestClient } from '../http/rest.ts';
import { SocketClient } from '../http/socket-client.ts';
import { connectClient, type TestClient } from '../mcp/bridge.ts';
import { hermeticEnv } from '../support/opencode.ts';
import { ask, bash, slowly, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, type Program, startProgram } from './program.ts';
import { overMcp, overRest, overWebSocket, type Result, type Way } from './ways.ts';

const CONFIG = { permission: { bash: { '*': 'allow', 'touch *': 'ask' } } };

let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;
let serve: Program;
let client: TestClient;
let base: string;
const ways: Way[] = [];

beforeAll(async () => {
  folder = await tempDir('scenarios-');
  model = await startScriptedModel();
  const { OPENCODE_CONFIG_CONTENT = '' } = hermeticEnv(folder.path, model.url, CONFIG);
  serve = startProgram('serve', { ...bridgeEnv(folder.path, model.url), OPENCODE_CONFIG_CONTENT });
  const [, url = ''] = await serve.says(/"url":"(http:[^"]+)\/mcp"/);
  client = await connectClient(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  base = url;
  const api = new RestClient(url);
  ways.push(overMcp(client), overRest(api), overWebSocket(url, api));
});
afterAll(async () => {
  await client?.close();
  serve?.child.kill('SIGTERM');
  await serve?.exit;
  await model?.close();
  await folder?.remove();
});

const idOf = ({ body }: Result): string => z.string().parse(body.task_id);
const start = async (way: Way, script: Script, input: object = {}): Promise<string> =>
  idOf(await way.start({ task_description: `Do it: ${scriptText(script)}`, ...input }));

/** The task once `is` holds of it. */
async function until(
  way: Way,
  id: string,
  is: (body: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  for (let waitMs = 0; ; waitMs = 5_000) {
    const { body } = await way.status(id, waitMs);
    if (is(body)) return body;
    if (/completed|failed|cancelled|timeout/.test(String(body.status))) throw new Error(JSON.stringify(body));
  }
}
const ended = (way: Way, id: string) =>
  until(way, id, ({ status }) => /completed|failed|cancelled|timeout/.test(String(status)));
const requestsSchema = z.array(z.object({ id: z.string() }));
const asked = async (way: Way, id: string): Promise<string> => {
  const { requests } = await until(way, id, ({ status }) => status === 'input_required');
  return requestsSchema.parse(requests)[0]?.id ?? '';
};
const kinds = async (way: Way, id: string) =>
  (await way.events(id)).map(({ kind }) => kind).filter((kind) => kind !== 'usage' && kind !== 'tool');

/** Each scenario, whichever way it is driven, comes to the same. */
const SCENARIOS: Record<string, { drive(way: Way): Promise<unknown>; comesTo: unknown }> = {
  'writes a file': {
    async drive(way) {
      const id = await start(way, [write('a.txt', 'hi\n'), { text: 'Done.' }]);
      const { status, result } = await ended(way, id);
      const files = [await way.changes(id), await way.read(id, 'a.txt'), await way.read(id, 'b.txt')];
      return {
        status,
        summary: z.object({ summary: z.string() }).parse(result).summary,
        files,
        kinds: await kinds(way, id),
      };
    },
    comesTo: {
      status: 'completed',
      summary: 'Done.',
      files: [[{ path: 'a.txt', change: 'added', additions: 1, deletions: 0 }], 'hi\n', undefined],
      kinds: ['created', 'started', 'attached', 'file_changed', 'output', 'completed'],
    },
  },
  'asks for a permission': {
    async drive(way) {
      const id = await start(way, [bash('touch made'), { text: 'Made.' }]);
      const request = await asked(way, id);
      const wrong = await way.answer(id, request, {});
      const unknown = await way.answer(id, 'per_none', { reply: 'once' });
      await way.answer(id, request, { reply: 'once' });
      const again = await way.answer(id, request, { reply: 'once' });
      const { status } = await ended(way, id);
      return { status, codes: [wrong.code, unknown.code, again.code], kinds: await kinds(way, id) };
    },
    comesTo: {
      status: 'completed',
      codes: ['INVALID_INPUT', 'REQUEST_NOT_FOUND', 'REQUEST_CLOSED'],
      kinds: ['created', 'started', 'attached', 'request_opened', 'request_closed', 'output', 'completed'],
    },
  },
  'asks a question': {
    async drive(way) {
      const id = await start(way, [ask('Which?', 'red', 'blue'), { text: 'Thanks.' }]);
      await way.answer(id, await asked(way, id), { answers: ['red'] });
      return (await ended(way, id)).status;
    },
    comesTo: 'completed',
  },
  'is cancelled': {
    async drive(way) {
      const id = await start(way, [slowly('word ', 60_000)]);
      await until(way, id, ({ status }) => status === 'running');
      const first = await way.control(id, 'cancel');
      const again = await way.control(id, 'cancel');
      const late = await way.message(id, 'more');
      return [first.body.status, again.body.status, late.code, (await ended(way, id)).status];
    },
    comesTo: ['cancelled', 'cancelled', 'INVALID_STATE', 'cancelled'],
  },
  'is told more, paused and resumed': {
    async drive(way) {
      const id = await start(way, [bash('sleep 3; echo one'), { text: 'First.' }]);
      await vi.waitUntil(async () => (await way.status(id)).body.session_id, { timeout: 60_000 });
      const empty = await way.message(id, ' ');
      const told = await way.message(id, scriptText([{ text: 'Second.' }]));
      const paused = await way.control(id, 'pause');
      const resumed = await way.control(id, 'resume');
      const { status } = await ended(way, id);
      return [empty.code, told.body.delivery, paused.body.status, resumed.body.status, status];
    },
    comesTo: ['INVALID_INPUT', 'queue', 'paused', 'running', 'completed'],
  },
  'is handed over twice': {
    async drive(way) {
      const key = `key of ${way.name}`;
      const input = { task_description: scriptText([{ text: 'Once.' }]), idempotency_key: key };
      const first = await way.start(input);
      const again = await way.start(input);
      const other = await way.start({ ...input, task_description: 'Other.' });
      await ended(way, idOf(first));
      return [first.body.repeated, again.body.repeated, idOf(again) === idOf(first), other.code];
    },
    comesTo: [false, true, true, 'IDEMPOTENCY_CONFLICT'],
  },
  'is refused': {
    async drive(way) {
      const refused = [
        await way.start({ task_description: ' ' }),
        await way.start({ task_description: 'x', model: 'none' }),
        await way.start({ task_description: 'x', directory: '/etc' }),
        await way.start({ task_description: 'x', continue_task_id: 'task_none' }),
        await way.status('task_none'),
        await way.control('task_none', 'cancel'),
        await way.message('task_none', 'x'),
      ];
      return refused.map(({ code }) => code);
    },
    comesTo: [
      'INVALID_INPUT',
      'INVALID_INPUT',
      'INVALID_INPUT',
      'TASK_NOT_FOUND',
      'TASK_NOT_FOUND',
      'TASK_NOT_FOUND',
      'TASK_NOT_FOUND',
    ],
  },
};

describe.each(['MCP', 'REST', 'WebSocket'])('a task over %s', (name) => {
  test.each(Object.entries(SCENARIOS))('%s', async (_, { drive, comesTo }) => {
    const way = ways.find((each) => each.name === name);
    if (!way) throw new Error(name);
    expect(await drive(way)).toEqual(comesTo);
  });
});

test('the options are what OpenCode itself lists, without its keys', async () => {
  const api = new RestClient(base);
  const { status, body } = await api.get('/options');
  expect(status).toBe(200);
  expect(body).not.toHaveProperty('lists_missing');
  expect(body.models).toEqual([{ id: 'mock/m1', name: 'Scripted model', provider: 'Scripted' }]);
  const names = (agents: { name: string }[]) => agents.map(({ name }) => name).sort();
  expect(names(body.agents)).toEqual(['build', 'plan']);
  expect(body).toMatchObject({
    default_model: 'mock/m1',
    limits: { timeout_ms: { max: expect.any(Number) } },
  });
  expect(JSON.stringify(body)).not.toMatch(/apiKey|baseURL|127\.0\.0\.1/);

  const [task] = (await api.get('/tasks')).body.tasks;
  const directory = join(dirname(task.directory), 'own');
  await mkdir(join(directory, '.opencode', 'agent'), { recursive: true });
  await writeFile(
    join(directory, '.opencode', 'agent', 'reviewer.md'),
    '---\ndescription: Reads only.\n---\nRead.',
  );
  const own = await api.get(`/options?directory=${encodeURIComponent(directory)}`);
  expect(names(own.body.agents)).toEqual(['build', 'plan', 'reviewer']);
  expect(await api.get('/options?directory=/etc')).toMatchObject({
    status: 400,
    body: { code: 'INVALID_INPUT', detail: expect.stringContaining('outside the allowed folders') },
  });
});

test('what a terminal shows live is what it shows afterwards', async () => {
  const [way] = ways;
  if (!way) throw new Error('no way');
  const script = [bash('for i in 1 2 3; do echo $i; sleep 0.3; done'), slowly('word ', 1_500)];
  const id = await start(way, script);
  const live = new SocketClient(`${base}/tasks/${id}/stream`);
  const unfinished = await live.until(({ type, seq }) => type === 'stdout' && seq === undefined);
  expect(unfinished.data).not.toBe('');
  await live.closed;
  const replay = new SocketClient(`${base}/tasks/${id}/stream`);
  await replay.closed;
  expect(live.text('stdout')).toBe(replay.text('stdout'));
  expect(replay.text('stdout')).toContain('1\n2\n3\n');
  // It came in pieces, while it was written.
  const pieces = (client: SocketClient) => client.frames.filter(({ type }) => type === 'stdout').length;
  expect(pieces(live)).toBeGreaterThan(pieces(replay) + 5);
});

test('every way finds the same tasks, with the same events, files and results', async () => {
  const [first, ...others] = ways;
  if (!first) throw new Error('no way');
  const ids = await first.list();
  expect(ids.length).toBeGreaterThan(8);
  for (const way of others) {
    expect(await way.list()).toEqual(ids);
    for (const id of ids) {
      const [mine, theirs] = [await first.status(id), await way.status(id)];
      for (const field of ['status', 'result', 'error', 'usage', 'directory', 'last_seq', 'last_events']) {
        expect(theirs.body[field]).toEqual(mine.body[field]);
      }
      expect(await way.events(id)).toEqual(await first.events(id));
    }
  }
});
