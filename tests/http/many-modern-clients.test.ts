import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteMcpSessionStore } from '../../src/store/sqlite/sqlite-mcp-session-store.ts';
import { heldBytes } from '../support/memory.ts';
import { tempDir } from '../support/temp.ts';
import { modernLoad } from './modern-load.ts';
import { startServer } from './server.ts';

const CLIENTS = 200;
const LOAD = { clients: CLIENTS, perSecond: 20 };

/** Open files and sockets of this process (Linux). */
const openFiles = async (): Promise<number> => (await readdir('/proc/self/fd')).length;

/** What the event loop waits for, by kind; timers of the test itself come and go. */
const handles = (): number =>
  process.getActiveResourcesInfo().filter((kind) => /TCP|Pipe|FS/.test(kind)).length;

test('200 clients without sessions get the right answers, and leave nothing', async () => {
  await using folder = await tempDir('many-modern-');
  using database = openDatabase(folder.path);
  await using server = await startServer({ sessionStore: new SqliteMcpSessionStore(database) });
  /** Answers, and what is held once the connections are closed. */
  const round = async (ms: number) => {
    const { answers, examples } = await modernLoad({ ...LOAD, url: server.url, ms });
    expect(examples).toEqual([]);
    expect(answers).toBeGreaterThanOrEqual(2 * CLIENTS);
    server.bridge.logger.lines.length = 0;
  };
  const before = { files: await openFiles(), handles: handles() };
  await round(0);
  const bytes = heldBytes();
  await round(3_000);
  expect(server.http.open()).toEqual({ sessions: 0, streams: 0 });
  expect(database.prepare('SELECT count(*) AS kept FROM mcp_sessions').get()).toEqual({ kept: 0 });
  await expect.poll(openFiles).toBeLessThanOrEqual(before.files);
  await expect.poll(handles).toBeLessThanOrEqual(before.handles);
  expect(heldBytes() - bytes).toBeLessThan(2e6);
});
