import { expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { StorageHealth } from '../../src/workspaces/storage-health.ts';
import { RestClient } from '../http/rest.ts';
import { startServer } from '../http/server.ts';

const MINIMUM_MB = 200;

/** A bridge on a disk with so many free megabytes. */
async function startOn(freeMb: number, maxQueued = 5) {
  const disk = { freeMb };
  const storage = new StorageHealth({
    folders: { WORKSPACE_DIR: '/w', DATA_DIR: '/d' },
    minFreeMb: MINIMUM_MB,
    pingDatabase: () => {},
    logger: createLogger('silent'),
    freeBytes: async () => disk.freeMb * 1e6,
  });
  await storage.check();
  const server = await startServer({ gate: storage, limits: { maxConcurrent: 5, maxQueued } });
  const { log, runner } = server.bridge;
  return {
    api: new RestClient(server.http.url),
    runner,
    /** The free megabytes change, and are seen. */
    async becomes(now: number): Promise<void> {
      disk.freeMb = now;
      await storage.check();
    },
    statusOf: (id: string) => log.get(id)?.status,
    warningsOf: (id: string) =>
      log.store.events(id, 0, 1_000).flatMap((event) => (event.kind === 'warning' ? [event] : [])),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

it('no task starts without room: it waits, is told, and starts by itself', async () => {
  await using bridge = await startOn(100);
  const id = await bridge.api.start();
  expect(bridge.statusOf(id)).toBe('queued');
  expect(bridge.warningsOf(id)).toMatchObject([
    {
      code: 'DISK_LOW',
      message:
        'Only 100 MB are free in WORKSPACE_DIR; new tasks need 200 MB (DISK_MIN_FREE_MB 200). This task starts by itself once there is room.',
    },
  ]);
  await bridge.becomes(150);
  expect(bridge.warningsOf(id), 'said once').toHaveLength(1);
  await bridge.becomes(500);
  const run = await bridge.runner.turnOf(id);
  expect(bridge.statusOf(id)).toBe('running');
  run.complete('done');
});

it('a task that runs is warned and goes on; the next one waits until there is room', async () => {
  await using bridge = await startOn(500);
  const running = await bridge.api.start();
  const run = await bridge.runner.turnOf(running);
  await bridge.becomes(100);
  expect(bridge.warningsOf(running)).toMatchObject([
    { code: 'DISK_LOW', message: expect.stringContaining('this one goes on, and may fail') },
  ]);
  const waiting = await bridge.api.start();
  run.complete('done');
  await bridge.api.stream(`/tasks/${running}/events`);
  expect([bridge.statusOf(running), bridge.statusOf(waiting)]).toEqual(['completed', 'queued']);
  await bridge.becomes(500);
  (await bridge.runner.turnOf(waiting)).complete('done');
  await bridge.api.stream(`/tasks/${waiting}/events`);
  expect(bridge.statusOf(waiting)).toBe('completed');
  expect(bridge.warningsOf(running), 'nothing is added to a task that has ended').toHaveLength(1);
});

it('the queue keeps its limit, and who is refused hears why and when to try again', async () => {
  await using bridge = await startOn(100, 1);
  const first = await bridge.api.start();
  const { status, body, headers } = await bridge.api.post('/tasks/execute', { task_description: 'more' });
  expect(status).toBe(429);
  expect(body).toMatchObject({
    code: 'QUEUE_FULL',
    detail: expect.stringMatching(/^Only 100 MB are free .* and 1 tasks wait \(MAX_QUEUED_TASKS\)/),
  });
  expect(headers.get('retry-after')).toBe('30');
  expect(bridge.statusOf(first)).toBe('queued');
});

it('a task that waits for room can be cancelled', async () => {
  await using bridge = await startOn(100);
  const id = await bridge.api.start();
  await bridge.api.post(`/tasks/${id}/cancel`, {});
  expect(bridge.statusOf(id)).toBe('cancelled');
  await bridge.becomes(500);
  expect(bridge.statusOf(id)).toBe('cancelled');
});
