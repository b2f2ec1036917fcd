import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Logger } from '../../src/logger.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { EventOf, TaskEventBody } from '../../src/tasks/events.ts';
import { Retention } from '../../src/workspaces/retention.ts';
import { TaskFiles } from '../../src/workspaces/task-files.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';

const SRC = join(import.meta.dirname, '../../src');
const DAY = 24 * 60 * 60 * 1000;
const NOW = 100 * DAY;
const END: TaskEventBody = { kind: 'cancelled', by: 'me' };

let root: Awaited<ReturnType<typeof tempDir>>;
let workspaceDir: string;
let snapshotsDir: string;
let database: Database;
let store: SqliteTaskStore;
let removals: SqliteTaskRemovals;
let logged: object[];

beforeEach(async () => {
  root = await tempDir('retention-');
  workspaceDir = join(root.path, 'workspaces');
  snapshotsDir = join(root.path, 'data', 'snapshots');
  logged = [];
  open();
});

afterEach(async () => {
  store.close();
  await root.remove();
});

function open(): void {
  database = openDatabase(join(root.path, 'data'));
  store = new SqliteTaskStore(database);
  removals = new SqliteTaskRemovals(database);
}

const note = (fields: object, message: string): void => {
  logged.push({ ...fields, message });
};
const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };

interface Setup {
  keepDays?: number;
  now?: () => number;
  everyMs?: number;
  path?: string | undefined;
  endProcesses?: (directory: string) => Promise<void>;
}

function retention({
  keepDays = 30,
  now = () => NOW,
  everyMs,
  path = process.env.PATH,
  endProcesses,
}: Setup = {}) {
  const options = { workspaceDir, snapshotsDir, roots: [], maxFileSize: 1_000, env: { PATH: path }, logger };
  const files = new TaskFiles(options);
  const keepMs = keepDays * DAY;
  return new Retention({
    removals,
    files,
    keepMs,
    keyLifetimeMs: DAY,
    deliveryMaxAgeMs: DAY,
    logger,
    now,
    endProcesses,
    ...(everyMs && { everyMs }),
  });
}

const folderOf = (id: string): string => join(workspaceDir, id);

/** A task with its folder and snapshot, that ended so many days ago; none: it has not ended. */
function task(id: string, daysAgo: number | undefined, fields: Partial<EventOf<'created'>> = {}): void {
  const at = NOW - 90 * DAY;
  const { directory } = created({ directory: folderOf(id), ...fields });
  store.append(id, [created({ ...fields, directory })], at, 'print');
  if (daysAgo !== undefined) store.append(id, [{ kind: 'started' }, END], NOW - daysAgo * DAY);
  if (!existsSync(directory)) fill(directory);
  fill(join(snapshotsDir, id));
}

function fill(directory: string): void {
  mkdirSync(join(directory, 'sub'), { recursive: true });
  writeFileSync(join(directory, 'sub', 'file.txt'), 'x');
}

const tasks = (): string[] => store.list({ agentId: 'agent-1', limit: 1_000 }).tasks.map(({ id }) => id);
const folders = (): string[] => readdirSync(workspaceDir).sort();
const snapshots = (): string[] => readdirSync(snapshotsDir).sort();

describe('a round', () => {
  it('removes tasks that ended long ago with everything stored for them, and no others', async () => {
    for (const [n, end] of [END, failed, timedOut, completed].entries()) {
      store.append(
        `task_old${n}`,
        [created({ directory: folderOf(`task_old${n}`) }), end],
        NOW - 31 * DAY,
        'p',
      );
      fill(folderOf(`task_old${n}`));
      fill(join(snapshotsDir, `task_old${n}`));
    }
    task('task_new', 29);
    task('task_open', undefined);
    await retention().sweep();
    const remaining = ['task_new', 'task_open'];
    expect(tasks().sort()).toEqual(remaining);
    expect(folders()).toEqual(remaining);
    expect(snapshots()).toEqual(remaining);
    expect(store.eventsAfter(0, 100).map(({ event }) => event.taskId)).not.toContain('task_old0');
    expect(logged).toEqual([]);
  });

  it('removes nothing by age where the days are 0', async () => {
    task('task_1', 89);
    await retention({ keepDays: 0 }).sweep();
    expect(tasks()).toEqual(['task_1']);
  });

  it('keeps a task whose idempotency key is still honoured, however short the retention', async () => {
    const key = { directory: folderOf('task_1'), idempotency_key: 'k' };
    store.append('task_1', [created(key), END], NOW, 'print');
    const later = (hours: number) => retention({ keepDays: 0.01, now: () => NOW + (hours / 24) * DAY });
    await later(24).sweep();
    expect(store.findByKey('agent-1', 'k', NOW)).toMatchObject({ task: { id: 'task_1' } });
    await later(24.1).sweep();
    expect(tasks()).toEqual([]);
  });

  it('covers all tasks, in steps', async () => {
    for (let n = 0; n < 120; n += 1) store.append(`task_${n}`, [created(), END], n, 'print');
    await retention().sweep();
    expect(tasks()).toEqual([]);
  });
});

const failed: TaskEventBody = { kind: 'failed', error: { code: 'X', message: 'x' } };
const timedOut: TaskEventBody = { kind: 'timeout', error: { code: 'TIMEOUT', message: 'x' } };
const completed: TaskEventBody = {
  kind: 'completed',
  result: { summary: '', files_changed: [], files_changed_total: 0, finish: 'stop' },
};

describe('a folder', () => {
  it('that the caller named stays', async () => {
    const directory = join(workspaceDir, 'project');
    task('task_1', 31, { directory, owns_directory: false });
    await retention().sweep();
    expect(tasks()).toEqual([]);
    expect(snapshots()).toEqual([]);
    expect(readdirSync(directory)).toEqual(['sub']);
  });

  it('in which a kept task goes on stays until that one goes', async () => {
    task('task_1', 40);
    task('task_2', 29, { directory: folderOf('task_1'), continues: 'task_1' });
    await retention().sweep();
    expect(tasks()).toEqual(['task_2']);
    expect(folders()).toEqual(['task_1']);
    expect(snapshots()).toEqual(['task_2']);
    await retention({ now: () => NOW + 2 * DAY }).sweep();
    expect(tasks()).toEqual([]);
    expect(folders()).toEqual([]);
  });

  it('that a kept task was pointed at stays, and its own task with it', async () => {
    task('task_1', 40);
    task('task_2', undefined, { directory: folderOf('task_1'), owns_directory: false });
    await retention().sweep();
    expect(tasks()).toEqual(['task_2', 'task_1']);
    store.append('task_2', [END], NOW - 31 * DAY);
    await retention().sweep();
    await retention().sweep();
    expect(tasks()).toEqual([]);
    expect(folders()).toEqual([]);
  });

  it('goes after the processes that still run in it, and stays where they do', async () => {
    task('task_1', 31);
    task('task_2', 31);
    const seen: [string, boolean][] = [];
    const endProcesses = async (directory: string): Promise<void> => {
      seen.push([directory, existsSync(directory)]);
      if (directory === folderOf('task_2')) throw new Error('one is left');
    };
    await retention({ endProcesses }).sweep();
    expect(seen).toEqual([
      [folderOf('task_1'), true],
      [folderOf('task_2'), true],
    ]);
    expect([existsSync(folderOf('task_1')), existsSync(folderOf('task_2'))]).toEqual([false, true]);
    await retention({ endProcesses: async () => {} }).sweep();
    expect(existsSync(folderOf('task_2'))).toBe(false);
  });

  it('in whose place a symlink was put loses the symlink, not what that leads to', async () => {
    const precious = join(root.path, 'precious');
    fill(precious);
    for (const id of ['task_1', 'task_2']) task(id, 31);
    rmSync(folderOf('task_1'), { recursive: true });
    symlinkSync(precious, folderOf('task_1'));
    symlinkSync(precious, join(folderOf('task_2'), 'link'));
    await retention().sweep();
    expect(folders()).toEqual([]);
    expect(readdirSync(precious)).toEqual(['sub']);
  });

  it.each(['elsewhere/task_1', 'workspaces/deep/task_1', 'workspaces'])(
    'that does not lie in WORKSPACE_DIR is left alone, and that is logged: %s',
    async (path) => {
      const directory = join(root.path, path);
      fill(workspaceDir);
      task('task_1', 31, { directory });
      await retention().sweep();
      expect(tasks()).toEqual([]);
      expect(existsSync(join(directory, 'sub', 'file.txt'))).toBe(true);
      expect(logged).toMatchObject([
        { taskId: 'task_1', directory, message: expect.stringMatching(/left alone/) },
      ]);
    },
  );

  it('whose parent is a symlink out of WORKSPACE_DIR is left alone', async () => {
    fill(join(root.path, 'elsewhere', 'task_1'));
    mkdirSync(workspaceDir);
    symlinkSync(join(root.path, 'elsewhere'), join(workspaceDir, 'link'));
    task('task_1', 31, { directory: join(workspaceDir, 'link', 'task_1') });
    await retention().sweep();
    expect(readdirSync(join(root.path, 'elsewhere', 'task_1'))).toEqual(['sub']);
    expect(logged).toHaveLength(1);
  });

  it('that is gone already, or never was, holds nothing up', async () => {
    for (const id of ['task_1', 'task_2']) task(id, 31);
    rmSync(folderOf('task_1'), { recursive: true });
    rmSync(snapshotsDir, { recursive: true });
    await retention().sweep();
    expect(tasks()).toEqual([]);
  });
});

describe('a large task', () => {
  it('is removed in steps between which others get their turn', async () => {
    const output: TaskEventBody = { kind: 'output', text: 'x'.repeat(300), message_id: 'm', part_id: 'p' };
    const many = Array.from({ length: 20_000 }, () => output);
    store.append('task_1', [created({ directory: folderOf('task_1') }), ...many, END], 1, 'print');
    const count = () => Number(database.prepare('SELECT count(*) AS n FROM events').get()?.n);
    const counts = [count()];
    const timer = setInterval(() => counts.push(count()), 1);
    await retention().sweep();
    clearInterval(timer);
    const steps = counts.map((left, index) => (counts[index - 1] ?? left) - left);
    expect(count()).toBe(0);
    expect(counts.length).toBeGreaterThan(10);
    expect(Math.max(...steps)).toBeLessThanOrEqual(1_500);
  });

  it('is left half removed when the bridge stops, and finished by the next, whatever the days are then', async () => {
    const many = Array.from({ length: 5_000 }, (): TaskEventBody => ({ kind: 'resumed' }));
    store.append('task_1', [created({ directory: folderOf('task_1') }), ...many, END], 1, 'print');
    task('task_2', 31);
    const first = retention();
    first.start();
    while (store.events('task_1', 0, 9_999).length > 4_000) await new Promise(setImmediate);
    await first.close();
    expect(store.events('task_1', 0, 9_999).length).toBeGreaterThan(1_000);
    expect(tasks()).toEqual(['task_2']);
    await retention({ keepDays: 0 }).sweep();
    expect(store.events('task_1', 0, 9_999)).toEqual([]);
    expect(tasks()).toEqual(['task_2']);
    expect(removals.begun(undefined, 10)).toEqual([]);
  });
});

it('a bridge that stops does not wait for a folder to be emptied, and says nothing of it', async () => {
  const bin = join(root.path, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'rm'), `#!/bin/sh\ntouch ${bin}/began\nexec sleep 120\n`, { mode: 0o755 });
  task('task_1', 31);
  const bridge = retention({ path: `${bin}:${process.env.PATH}` });
  bridge.start();
  while (!existsSync(join(bin, 'began'))) await new Promise((done) => setTimeout(done, 5));
  await bridge.close();
  expect(removals.begun(undefined, 10)).toHaveLength(1);
  expect(logged).toEqual([]);
});

describe('a removal that is killed', () => {
  it.each(['after hide', 'after moving to trash', 'after folder', 'after first events', 'after task'])(
    '%s is finished by the next bridge',
    async (at) => {
      for (const id of ['task_1', 'task_2']) task(id, 31);
      task('task_3', 29);
      store.append('task_4', [created(), ...Array.from({ length: 600 }, () => failedOnce), END], 1, 'p');
      store.close();
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', killed(at)], {
        encoding: 'utf8',
      });
      open();
      expect([run.signal, run.stderr]).toEqual(['SIGKILL', '']);
      const left = tasks().length + removals.begun(undefined, 10).length;
      expect(left).toBeGreaterThan(1);
      await retention().sweep();
      expect(tasks()).toEqual(['task_3']);
      expect(folders()).toEqual(['task_3']);
      expect(snapshots()).toEqual(['task_3']);
      expect(new Set(store.eventsAfter(0, 10_000).map(({ event }) => event.taskId))).toEqual(
        new Set(['task_3']),
      );
      expect(logged).toEqual([]);
    },
  );
});

const failedOnce: TaskEventBody = { kind: 'warning', code: 'X', message: 'x' };

/** A program that sweeps and kills itself at a step. */
function killed(at: string): string {
  const options = { workspaceDir, snapshotsDir, roots: [], maxFileSize: 1, env: { PATH: process.env.PATH } };
  return `
    import { openDatabase } from '${SRC}/store/sqlite/database.ts';
    import { SqliteTaskRemovals } from '${SRC}/store/sqlite/sqlite-task-removals.ts';
    import { TaskFiles } from '${SRC}/workspaces/task-files.ts';
    import { ChangeTracker } from '${SRC}/workspaces/changes/change-tracker.ts';
    import { Retention } from '${SRC}/workspaces/retention.ts';
    const die = (at) => at === '${at}' && process.kill(process.pid, 'SIGKILL');
    const before = (type, name, at) => {
      const real = type.prototype[name];
      type.prototype[name] = function (...args) {
        die(at);
        return real.apply(this, args);
      };
    };
    const after = (type, name, at) => {
      const real = type.prototype[name];
      type.prototype[name] = function (...args) {
        const result = real.apply(this, args);
        if (result?.then) return result.then((value) => { die(at); return value; });
        die(result === false ? 'after first events' : at);
        return result;
      };
    };
    after(SqliteTaskRemovals, 'hide', 'after hide');
    after(SqliteTaskRemovals, 'remove', 'after task');
    before(ChangeTracker, 'remove', 'after moving to trash');
    after(TaskFiles, 'remove', 'after folder');
    const removals = new SqliteTaskRemovals(openDatabase(${JSON.stringify(join(root.path, 'data'))}));
    const files = new TaskFiles(${JSON.stringify(options)});
    await new Retention({ removals, files, keepMs: ${30 * DAY}, keyLifetimeMs: ${DAY}, deliveryMaxAgeMs: ${DAY}, logger: {}, now: () => ${NOW} }).sweep();`;
}

describe('a folder that cannot be removed', () => {
  // Root may do everything, so for root rm runs without that privilege.
  const drop = ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'];
  const isRoot = process.getuid?.() === 0;
  const can = !isRoot || spawnSync('setpriv', [...drop.slice(1), 'true']).status === 0;

  it.runIf(can)('delays no other task, is logged once, and is removed by a later sweep', async () => {
    const bin = join(root.path, 'bin');
    mkdirSync(bin);
    const rm = spawnSync('sh', ['-c', 'command -v rm'], { encoding: 'utf8' }).stdout.trim();
    writeFileSync(join(bin, 'rm'), `#!/bin/sh\nexec ${isRoot ? drop.join(' ') : ''} ${rm} "$@"\n`, {
      mode: 0o755,
    });
    task('task_1', 40);
    task('task_2', 31);
    const closed = (name: string) => join(workspaceDir, name, 'sub');
    chmodSync(closed('task_1'), 0o555);
    const bridge = retention({ everyMs: 1, path: `${bin}:${process.env.PATH}` });
    bridge.start();
    try {
      const begun = (): number => removals.begun(undefined, 10).length;
      while (logged.length === 0 || tasks().length > 0 || begun() > 1)
        await new Promise((done) => setTimeout(done, 5));
      await bridge.sweep();
      expect(logged).toMatchObject([
        { taskId: 'task_1', err: expect.stringMatching(/file\.txt.*Permission denied/) },
      ]);
      expect(folders()).toEqual(['.removed-task_1']);
      expect(begun()).toBe(1);
      chmodSync(closed('.removed-task_1'), 0o755);
      while (begun() > 0) await new Promise((done) => setTimeout(done, 5));
      expect(folders()).toEqual([]);
    } finally {
      await bridge.close();
    }
    expect(logged).toHaveLength(1);
  });
});

it('a store that cannot be read is logged, and read again by the next sweep', async () => {
  database.exec('ALTER TABLE tasks RENAME TO gone');
  const bridge = retention({ everyMs: 1 });
  bridge.start();
  while (logged.length < 2) await new Promise((done) => setTimeout(done, 5));
  await bridge.close();
  expect(logged[1]).toMatchObject({ err: expect.stringMatching(/tasks/) });
});
