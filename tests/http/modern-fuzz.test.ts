import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { modernHeaders, modernRequest, WITH_FORMS } from './modern.ts';
import { post, startServer } from './server.ts';

const SEED = Number(process.env.FUZZ_SEED ?? 20_260_728);
const RUNS = Number(process.env.FUZZ_RUNS ?? 150);

let server: Awaited<ReturnType<typeof startServer>>;
let task: string;

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 1, maxQueued: 1 } });
  const client = await server.client();
  task = await client.start();
  (await server.bridge.runner.turnOf(task)).ask({ id: 'per_1', type: 'permission' });
});
afterAll(() => server[Symbol.asyncDispose]());

const METHODS = [
  'server/discover',
  'tools/list',
  'tools/call',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
  'subscriptions/listen',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'constructor',
];
const json = fc.jsonValue({ maxDepth: 3 });
/** Values that look like right ones, beside any. */
const name = fc.oneof(
  fc.constantFrom('ping', 'get_task_status', 'read_task_file', 'review_task', '__proto__'),
  json,
);
const uri = () =>
  fc.oneof(
    fc.constantFrom(
      `task://${task}`,
      `task://${task}/files/{+path}`,
      'task://{id}/files/{+path}',
      `task://${task}/events?after=1`,
      `task://${task}/result`,
      `task://${task}/files/%2e%2e/x`,
      `task://${task}/files/%zz`,
      'file:///etc/passwd',
      'task://{id}',
    ),
    json,
  );
/** A value that may stand for what a schema wants, or anything. */
const orJson = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: value }, json);
const params = () =>
  fc.record(
    {
      name,
      arguments: fc.oneof(
        fc.dictionary(fc.constantFrom('task_id', 'agent_id', 'path', 'limit', 'x'), json),
        json,
      ),
      taskId: fc.oneof(fc.constantFrom(task, 'task_none'), json),
      inputResponses: fc.oneof(
        fc.dictionary(
          fc.constantFrom('per_1', 'per_1.1', '__proto__'),
          fc.record({ action: json, content: json }),
        ),
        json,
      ),
      uri: uri(),
      cursor: fc.oneof(fc.constantFrom('20:task_x', ''), json),
      notifications: orJson(
        fc.record(
          {
            resourceSubscriptions: orJson(fc.array(uri(), { maxLength: 5 })),
            taskIds: orJson(fc.array(json)),
          },
          { requiredKeys: [] },
        ),
      ),
      ref: orJson(
        fc.record(
          { type: fc.constantFrom('ref/prompt', 'ref/resource', 'x'), name, uri: uri() },
          { requiredKeys: ['type'] },
        ),
      ),
      argument: orJson(
        fc.record({ name: orJson(fc.constantFrom('id', 'path', 'task_id')), value: orJson(fc.string()) }),
      ),
      context: orJson(fc.record({ arguments: orJson(fc.dictionary(fc.constantFrom('id', 'x'), name)) })),
      requestState: json,
      _meta: json,
    },
    { requiredKeys: [] },
  );
const responseSchema = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string(), z.number(), z.null()]),
  result: z.looseObject({ resultType: z.enum(['complete', 'task', 'input_required']) }).optional(),
  error: z.looseObject({ code: z.int(), message: z.string() }).optional(),
});

test(`no request of the new era is a fault of the bridge (FUZZ_SEED=${SEED})`, async () => {
  const request = fc.record({
    method: fc.constantFrom(...METHODS),
    params: params(),
    damaged: fc.boolean(),
    id: fc.oneof(fc.integer(), fc.string(), json),
  });
  let results = 0;
  await fc.assert(
    fc.asyncProperty(request, async ({ method, params: given, damaged, id }) => {
      const { params: framed, ...rest } = modernRequest(method, given, { capabilities: WITH_FORMS });
      const message = { ...rest, id, params: damaged ? { ...framed, ...given } : framed };
      const named = method.startsWith('tasks/')
        ? given.taskId
        : method === 'resources/read'
          ? given.uri
          : given.name;
      const header = typeof named === 'string' && /^[\x21-\x7e]+$/.test(named) ? named : undefined;
      const abort = new AbortController();
      const response = await post(server.url, message, modernHeaders(method, header), abort.signal);
      expect(response.status, JSON.stringify(message)).toBeLessThan(500);
      if (response.headers.get('content-type') !== 'application/json') return abort.abort();
      const text = await response.text();
      const answer = text === '' ? undefined : responseSchema.parse([JSON.parse(text)].flat()[0]);
      if (answer?.result) results += 1;
      // A fault has this code, however it came about.
      expect(answer?.error?.code, text).not.toBe(-32_603);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  // Or the requests would reach no more than the checks of their form.
  expect(results).toBeGreaterThan(0);
  expect(server.bridge.logger.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});
