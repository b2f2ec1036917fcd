import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allRoutes } from '../../src/http/all-routes.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import type { TaskStatus } from '../../src/tasks/task.ts';
import { startProviderKeys } from '../provider-keys/start-provider-keys.ts';
import { startPageServer } from '../web/browser.ts';
import { departures } from './contract.ts';
import type { GeneratedRequest, TaskKind } from './fuzz/damage.ts';
import { operationsOf } from './fuzz/requests.ts';
import { DIRECTORY, TASK } from './fuzz/values.ts';
import { RestClient } from './rest.ts';

/** Another one finds other requests: `FUZZ_SEED=… FUZZ_RUNS=… vitest run tests/http/fuzz.test.ts`. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_126);
const RUNS = Number(process.env.FUZZ_RUNS ?? 80);
const OPERATIONS = operationsOf(openApiDocument(allRoutes()), {
  agent: 'ann-token',
  operator: 'operator-token',
});

/** The status that shows that a task is still in the state. */
const STATUS: Partial<Record<TaskKind, TaskStatus>> = {
  running: 'running',
  foreign: 'running',
  paused: 'paused',
  ended: 'completed',
};

let world: Awaited<ReturnType<typeof startWorld>>;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

test.each(OPERATIONS)(`$name (seed ${SEED})`, async ({ valid, broken }) => {
  const statuses = new Set<number>();
  const check = async (request: GeneratedRequest): Promise<void> => {
    const answer = await world.send(request);
    statuses.add(answer.status);
    expect(departures(answer)).toEqual([]);
    expect(answer.status).not.toBe(500);
    expect(world.failures()).toEqual([]);
  };
  const limits = { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 10_000 };
  await fc.assert(fc.asyncProperty(valid, check), limits);
  // Or the requests would reach no more than the checks of their input.
  expect([...statuses].filter((status) => status < 300)).not.toEqual([]);
  await fc.assert(fc.asyncProperty(broken, check), limits);
});

/** The server with tokens, and a task in each state that a request can be about. */
async function startWorld() {
  const keys = await startProviderKeys();
  const server = await startPageServer({
    tokens: [
      { token: 'ann-token', agentId: 'ann' },
      { token: 'bob-token', agentId: 'bob' },
    ],
    limits: { maxConcurrent: 10_000, maxQueued: 10_000 },
    providers: { admin: keys.admin, operatorToken: 'operator-token' },
  });
  const { bridge, http } = server;
  const shared = join(bridge.workspaceDir, 'shared');
  await mkdir(shared);
  const client = (name: string) => new RestClient(http.url, { authorization: `Bearer ${name}-token` });
  const [ann, bob] = [client('ann'), client('bob')];
  const tasks = new Map<TaskKind, string>([['unknown', 'task_0']]);

  async function start(kind: TaskKind): Promise<string> {
    const id = await (kind === 'foreign' ? bob : ann).start();
    const turn = await bridge.runner.turnOf(id);
    const folder = bridge.log.get(id)?.directory ?? '';
    await mkdir(join(folder, 'folder'), { recursive: true });
    await writeFile(join(folder, 'made.txt'), 'made by the task');
    await writeFile(join(folder, 'folder/inner.txt'), '');
    if (kind === 'asking') {
      turn.ask({ id: 'per_1', type: 'permission' });
      const questions = [{ header: 'h', question: 'q', options: [] }];
      turn.ask({ id: 'que_1', type: 'question', questions });
      await bridge.until(id, ({ requests }) => requests.length === 2);
    }
    if (kind === 'paused') await ann.post(`/tasks/${id}/pause`);
    if (kind === 'ended') {
      turn.tool('bash', 'make');
      turn.complete('made');
      await bridge.until(id, ({ status }) => status === 'completed');
    }
    return id;
  }

  /** A task that is in this state now; an earlier request may have changed the last one. */
  async function taskOf(kind: TaskKind): Promise<string> {
    const known = tasks.get(kind);
    if (known !== undefined && (kind === 'unknown' || isStill(kind, known))) return known;
    const id = await start(kind);
    tasks.set(kind, id);
    return id;
  }

  function isStill(kind: TaskKind, id: string): boolean {
    const task = bridge.log.get(id);
    return kind === 'asking' ? task?.requests.length === 2 : task?.status === STATUS[kind];
  }

  return {
    async send({ task, method, path, headers, body }: GeneratedRequest) {
      const id = await taskOf(task);
      const url = path.replaceAll(TASK, id);
      const response = await fetch(`${http.url}${url}`, {
        method,
        headers,
        ...(body === undefined || method === 'GET' || method === 'HEAD'
          ? {}
          : { body: body.replaceAll(TASK, id).replaceAll(DIRECTORY, shared) }),
      });
      const type = response.headers.get('content-type') ?? '';
      // A live stream would not end.
      if (type.startsWith('text/event-stream')) await response.body?.cancel();
      const text = type.startsWith('text/event-stream') ? '' : await response.text();
      const json = /json/.test(type) && text !== '';
      return {
        method,
        path: url,
        status: response.status,
        headers: response.headers,
        body: json ? JSON.parse(text) : text,
      };
    },
    /** What was logged as an error since the last call. */
    failures: () => bridge.logger.lines.splice(0).filter((line) => line.includes('"level":"error"')),
    async close() {
      await server[Symbol.asyncDispose]();
      await keys[Symbol.asyncDispose]();
    },
  };
}
