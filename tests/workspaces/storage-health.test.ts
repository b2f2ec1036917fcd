import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LastSuccess } from '../../src/app/last-success.ts';
import type { DependencyHealth } from '../../src/health.ts';
import { createLogger } from '../../src/logger.ts';
import { FolderSize } from '../../src/workspaces/folder-size.ts';
import { StorageHealth, type StorageHealthOptions } from '../../src/workspaces/storage-health.ts';
import { tempDir } from '../support/temp.ts';

const logger = createLogger('silent');
let folder: Awaited<ReturnType<typeof tempDir>>;
beforeEach(async () => {
  folder = await tempDir('storage-health-');
});
afterEach(() => folder.remove());

function storage(options: Partial<StorageHealthOptions> = {}): StorageHealth {
  const folders = { WORKSPACE_DIR: folder.path, DATA_DIR: folder.path };
  return new StorageHealth({ folders, minFreeMb: 0, pingDatabase: () => {}, logger, ...options });
}

const statusOf = (health: DependencyHealth[]) =>
  Object.fromEntries(health.map(({ name, status }) => [name, status]));

describe('the health of the storage', () => {
  it('is read from the disk, where the check leaves nothing', async () => {
    const checked = storage({ minFreeMb: 1 });
    await checked.check();
    expect(checked.health()).toEqual([
      { name: 'workspace', status: 'ok', detail: 'writable' },
      {
        name: 'disk',
        status: 'ok',
        detail: expect.stringMatching(/^\d+ MB free in WORKSPACE_DIR, \d+ MB free in DATA_DIR$/),
      },
      { name: 'database', status: 'ok', detail: 'answers' },
    ]);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('says which part is down, and why', async () => {
    const checked = storage({
      pingDatabase: () => {
        throw new Error('disk I/O error');
      },
    });
    await rm(folder.path, { recursive: true });
    await checked.check();
    expect(statusOf(checked.health())).toEqual({ workspace: 'down', disk: 'down', database: 'down' });
    expect(checked.health()[0]?.detail, 'without a path').toBe('mkdtemp: ENOENT');
    expect(checked.health()[2]?.detail).toBe('disk I/O error');
    expect(checked.reason, 'what is not known stops no task').toBeUndefined();
  });

  it('is down where a check hangs, as on a file system that does not answer', async () => {
    let now = 0;
    const hang = Promise.withResolvers<number>();
    const answers = [Promise.resolve(5e9), Promise.resolve(5e9), hang.promise];
    const checked = storage({ now: () => now, freeBytes: () => answers.shift() ?? Promise.resolve(5e9) });
    await checked.check();
    const late = checked.check();
    now = 39_000;
    expect(checked.health()[1]?.status).toBe('ok');
    now = 41_000;
    expect(checked.health()[1]).toEqual({
      name: 'disk',
      status: 'down',
      detail: 'a check has not finished for 41 s',
    });
    hang.resolve(5e9);
    await late;
    expect(checked.health()[1]?.status).toBe('ok');
  });

  it('has room again only above the minimum, so that a disk that wavers says it once', async () => {
    let free = 300e6;
    const checked = storage({ minFreeMb: 200, freeBytes: async () => free });
    const changes: boolean[] = [];
    checked.onChange(() => changes.push(checked.reason === undefined));
    for (free of [300e6, 199e6, 210e6, 199e6, 221e6, 201e6]) await checked.check();
    expect(changes).toEqual([false, true]);
  });
});

it('the last success of a dependency is kept while it is down', () => {
  let now = Date.UTC(2026, 0, 2);
  let health: DependencyHealth[] = [{ name: 'a', status: 'ok', detail: '' }];
  const success = new LastSuccess(
    () => health,
    () => now,
  );
  expect(success.read()).toMatchObject([{ last_ok_at: '2026-01-02T00:00:00.000Z' }]);
  now += 60_000;
  health = [
    { name: 'a', status: 'down', detail: 'gone' },
    { name: 'b', status: 'down', detail: 'never there' },
  ];
  expect(success.read()).toEqual([
    { name: 'a', status: 'down', detail: 'gone', last_ok_at: '2026-01-02T00:00:00.000Z' },
    { name: 'b', status: 'down', detail: 'never there' },
  ]);
  success.close();
});

it('the size of a folder is what is in it, and unknown where there is none', async () => {
  await writeFile(join(folder.path, 'a'), 'x'.repeat(5_000));
  const size = new FolderSize(folder.path, process.env.PATH, logger);
  await size.read();
  expect(size.bytes).toBeGreaterThanOrEqual(5_000);
  const gone = new FolderSize(`${folder.path}/gone`, process.env.PATH, logger);
  await gone.read();
  expect(gone.bytes).toBeUndefined();
});
