import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { OpenCodeClientManager } from '../../src/runners/opencode-server/client-manager.ts';
import { type SharedOpenCode, sharedOpenCode } from '../support/shared-engine.ts';
import { tempDir } from '../support/temp.ts';

let server: SharedOpenCode;
let folder: Awaited<ReturnType<typeof tempDir>>;
let manager: OpenCodeClientManager;

beforeAll(async () => {
  folder = await tempDir('client-manager-');
  ({ engine: server } = await sharedOpenCode());
  const { url, username, password } = server;
  const times = { healthIntervalMs: 5_000, maxRetries: 3, retryDelayMs: 1_000, instanceLingerMs: 0 };
  manager = new OpenCodeClientManager({
    endpoint: { url, username, password },
    maxRssMb: 0,
    asksOutside: true,
    turnLimits: { startMs: 30_000, stallMs: 600_000 },
    logger: createLogger('silent'),
    ...times,
  });
});

afterAll(async () => {
  await manager.close();
  await folder.remove();
});

it('checks the health and reads the version of its server', async () => {
  expect(await manager.healthCheck()).toMatchObject({ version: '1.18.33' });
});

it('creates a session, follows its events, reads its state and aborts it', async () => {
  const session = await manager.createSession(folder.path, 'A session', { taskId: 'task_1' });
  expect(await manager.getSessionInfo(session.id)).toMatchObject({
    session: { directory: folder.path },
    status: { type: 'idle' },
  });
  const received = Promise.withResolvers<string>();
  const unsubscribe = await manager.subscribeToEvents(session.id, {
    onEvent: ({ type }) => received.resolve(type),
    onGap: () => undefined,
  });
  await manager.abortSession(session.id);
  expect(await received.promise).toBe('session.status');
  unsubscribe();
  await expect(manager.getSessionInfo('ses_none')).rejects.toMatchObject({ code: 'ENGINE_NOT_FOUND' });
});

it.each([
  ['grüße & more.txt', 'no trim:  \n\n'],
  ['empty', ''],
])('lists and reads %j exactly', async (name, content) => {
  await writeFile(join(folder.path, name), content);
  expect(await manager.listFiles(folder.path)).toContainEqual({ path: name, type: 'file' });
  expect((await manager.readFile(folder.path, name)).toString()).toBe(content);
});

it('refuses a file that is not there, or outside', async () => {
  await expect(manager.readFile(folder.path, 'missing.txt')).rejects.toThrow(/read file/);
  await expect(manager.readFile(folder.path, '../outside.txt')).rejects.toThrow();
});
