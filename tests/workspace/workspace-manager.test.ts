import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { project, type WorkspaceBlock, workspaceBlockSchema } from '../../src/memory/block.ts';
import { WorkspaceManager } from '../../src/memory/workspace-manager.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBlockStore } from '../../src/store/sqlite/sqlite-block-store.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';

const logger = createLogger('silent');
const BOUNDS = { maxEvents: 5, limit: 2_000 };
const output = (text: string): TaskEventBody => ({ kind: 'output', text, message_id: 'm', part_id: text });
const file = (n: number) => ({ path: `folder/file-${n}.txt`, change: 'added' as const });
const completed = (summary: string, files = 0): TaskEventBody => ({
  kind: 'completed',
  result: {
    summary,
    files_changed: Array.from({ length: files }, (_, n) => file(n)),
    files_changed_total: files,
    finish: 'stop',
  },
});

function blockAfter(bodies: readonly TaskEventBody[], bounds = BOUNDS): WorkspaceBlock {
  let block: WorkspaceBlock | undefined;
  [created(), ...bodies].forEach((body, index) => {
    block = project(block, { ...body, taskId: 'task_1', seq: index + 1, at: index }, bounds);
  });
  if (!block) throw new Error('no block');
  return block;
}

describe('project', () => {
  it('shows the task in schema 1.0.0', () => {
    const block = blockAfter([
      { kind: 'started' },
      output('Working.'),
      { kind: 'message', from: 'agent', delivery: 'queue', text: 'Faster.' },
      completed('All done.', 1),
    ]);
    expect(block).toMatchObject({
      version: '1.0.0',
      task_id: 'task_1',
      agent_id: 'agent-1',
      status: 'completed',
      artifacts: [{ type: 'file', path: 'folder/file-0.txt', change: 'added' }],
      metadata: { events_dropped: 0, summary: 'All done.' },
    });
    expect(block.events.map(({ type }) => type)).toEqual([
      'task_started',
      'task_progress',
      'task_message',
      'task_completed',
    ]);
  });

  it('drops the oldest progress before anything else', () => {
    const block = blockAfter([
      { kind: 'started' },
      ...upTo(10).map((n) => output(`step ${n}`)),
      completed('End.'),
    ]);
    expect(block.events.map(({ message }) => message)).toEqual([
      'Started.',
      'step 8',
      'step 9',
      'step 10',
      'End.',
    ]);
    expect(block.metadata.events_dropped).toBe(7);
  });

  it('waits for input until the last request is closed', () => {
    const open = (id: string): TaskEventBody => ({
      kind: 'request_opened',
      request: { id, type: 'permission', title: 'Allow bash', session_id: 'ses_1' },
    });
    const close = (request_id: string): TaskEventBody => ({
      kind: 'request_closed',
      request_id,
      by: 'me',
      reply: 'once',
    });
    const both: TaskEventBody[] = [{ kind: 'started' }, open('per_1'), open('per_2'), close('per_1')];
    expect(blockAfter(both).status).toBe('input_required');
    expect(blockAfter([...both, close('per_2')]).status).toBe('running');
    const paused: TaskEventBody[] = [{ kind: 'started' }, { kind: 'paused' }, open('per_1')];
    expect(blockAfter(paused).status).toBe('paused');
    expect(blockAfter([...paused, { kind: 'resumed' }]).status).toBe('input_required');
  });

  it('stays within its bounds and valid, whatever comes (property)', () => {
    const body = fc.oneof(
      fc.string({ maxLength: 3_000, unit: 'binary' }).map(output),
      fc.constant<TaskEventBody>({ kind: 'started' }),
      fc
        .string({ maxLength: 5_000 })
        .map((text): TaskEventBody => ({ kind: 'message', from: 'human', delivery: 'queue', text })),
    );
    fc.assert(
      fc.property(fc.array(body, { maxLength: 20 }), fc.nat({ max: 100 }), (bodies, files) => {
        const text = JSON.stringify(blockAfter([...bodies, completed('x'.repeat(5_000), files)]));
        expect(text.length).toBeLessThanOrEqual(BOUNDS.limit);
        expect(workspaceBlockSchema.parse(JSON.parse(text)).status).toBe('completed');
      }),
    );
  });
});

describe('WorkspaceManager', () => {
  let folder: Awaited<ReturnType<typeof tempDir>>;
  let database: Database;
  let log: EventLog;

  beforeEach(async () => {
    folder = await tempDir('workspace-');
    database = openDatabase(folder.path);
    log = new EventLog(new SqliteTaskStore(database));
  });

  afterEach(async () => {
    log.store.close();
    await folder.remove();
  });

  const manager = () => new WorkspaceManager(log, new SqliteBlockStore(database), BOUNDS, logger);

  /** Resolves when the memory has reached the end of the log. */
  async function caughtUp(): Promise<void> {
    const memory = new SqliteBlockStore(database);
    for (let turn = 0; turn < 1_000 && log.store.eventsAfter(memory.cursor(), 1).length > 0; turn += 1) {
      await new Promise(setImmediate);
    }
    expect(log.store.eventsAfter(memory.cursor(), 1)).toEqual([]);
  }

  it('keeps a block for each task, and goes on where an earlier one stopped', async () => {
    const first = manager();
    first.start();
    log.create('task_1', created(), 'p');
    log.append('task_1', { kind: 'started' });
    await caughtUp();
    await first.close();
    expect(first.block('task_1')).toMatchObject({ status: 'running' });

    log.append('task_1', output('while it was away'), completed('End.'));
    const second = manager();
    second.start();
    await caughtUp();
    await second.close();
    expect(second.block('task_1')?.events.map(({ message }) => message)).toEqual([
      'Started.',
      'while it was away',
      'End.',
    ]);
    expect(second.blockId('task_1')).toBe('block_1');
    expect(second.block('task_2')).toBeUndefined();
  });

  it('gives the block with all that is in the log, and says when it cannot any more', async () => {
    const workspace = manager();
    workspace.start();
    log.create('task_1', created(), 'p');
    log.append('task_1', { kind: 'started' }, ...upTo(600).map((n) => output(`step ${n}`)));
    expect((await workspace.current('task_1'))?.events.at(-1)?.message).toBe('step 600');
    expect(await workspace.current('task_2')).toBeUndefined();
    await workspace.close();
    expect(await workspace.current('task_1')).toMatchObject({ status: 'running' });
    log.append('task_1', { kind: 'paused' });
    await expect(workspace.current('task_1')).rejects.toThrow(/no longer updated/);
  });
});

function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}
