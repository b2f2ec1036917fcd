import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApp } from '../../src/app/app.ts';
import { type Release, releaseAll, thenRelease } from '../../src/app/release.ts';
import { loadIsolatedConfig } from '../../src/config/isolated.ts';
import type { Logger } from '../../src/logger.ts';
import { lockDataDir } from '../../src/store/sqlite/data-dir-lock.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { tempDir } from '../support/temp.ts';

const WITHDRAW = 'owner.json cannot be removed';
let folder: Awaited<ReturnType<typeof tempDir>>;
let logged: string[];

beforeEach(async () => {
  folder = await tempDir('release-');
  logged = [];
});
afterEach(() => folder.remove());

const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (fields) => void logged.push(JSON.stringify(fields)),
  child: () => logger,
};

const fail = (text: string) => async () => {
  throw new Error(text);
};

describe('releases', () => {
  it('run one after the other, the last first, also behind one that throws; the first error is thrown', async () => {
    const ran: string[] = [];
    const releases: Release[] = [
      () => void ran.push('database'),
      fail('second'),
      async () => void ran.push('engine'),
      () => {
        throw new Error('first');
      },
      () => void ran.push('http'),
    ];
    await expect(releaseAll(releases, logger)).rejects.toThrow('first');
    expect(ran).toEqual(['http', 'engine', 'database']);
    expect(logged).toEqual([expect.stringContaining('first'), expect.stringContaining('second')]);
    await releaseAll(releases, logger);
    expect(ran).toHaveLength(3);
  });

  it('do not hide why the work before them failed', async () => {
    await expect(thenRelease(fail('the work'), fail('its end'), logger)).rejects.toThrow('the work');
    expect(logged).toEqual([expect.stringContaining('its end')]);
    await expect(thenRelease(async () => 'done', fail('its end'), logger)).rejects.toThrow('its end');
    expect(
      await thenRelease(
        async () => 'done',
        () => undefined,
        logger,
      ),
    ).toBe('done');
  });
});

describe('a bridge', () => {
  const config = (env: Record<string, string> = {}) =>
    loadIsolatedConfig({
      HOME: folder.path,
      DATA_DIR: join(folder.path, 'data'),
      OPENCODE_SERVER_ENABLED: 'true',
      OPENCODE_SERVER_URL: 'http://127.0.0.1:9',
      MCP_PORT: '0',
      SHUTDOWN_GRACE_MS: '0',
      ...env,
    });
  /** Of which one release fails in the middle of the others. */
  const claim = () => {
    const claimed = lockDataDir(join(folder.path, 'data'), 'serve');
    return {
      ...claimed,
      withdraw: () => {
        throw new Error(WITHDRAW);
      },
    };
  };
  const isFree = () => openDatabase(join(folder.path, 'data')).close();

  it('that cannot let go of one thing lets go of all others, and says so', async () => {
    const claimed = claim();
    const app = await startApp(config(), logger, claimed);
    const { url } = await app.listen();
    await expect(app.close()).rejects.toThrow(WITHDRAW);
    await expect(fetch(`${url}/health`)).rejects.toThrow('fetch failed');
    expect(claimed.database.isOpen).toBe(false);
    isFree();
  });

  it('that fails to start tells why, not what then failed to end', async () => {
    await mkdir(join(folder.path, 'data'));
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    const started = startApp(config({ WORKSPACE_DIR: file }), logger, claim());
    await expect(started).rejects.toThrow(/^WORKSPACE_DIR /);
    expect(logged).toEqual([expect.stringContaining(WITHDRAW)]);
    isFree();
  });
});
