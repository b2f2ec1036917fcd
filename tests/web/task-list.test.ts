import { describe, expect, test } from 'vitest';
import type { TaskRow } from '../../src/web/api/task.ts';
import { formatCost, formatCount } from '../../src/web/parts/amount.ts';
import { hasText, listQuery, readFilter, toggleStatus, writeFilter } from '../../src/web/tasks/filter.ts';
import { folderName } from '../../src/web/tasks/folder-name.ts';
import { compareRows } from '../../src/web/tasks/row.ts';

function row(task_id: string, changes: Partial<TaskRow> = {}): TaskRow {
  return {
    task_id,
    status: 'running',
    created_at: '2026-01-01T00:00:00.000Z',
    directory: '/work/x',
    description: 'x',
    agent_id: 'default',
    cost_usd: 0,
    tokens: 0,
    open_requests: 0,
    last_seq: 1,
    ...changes,
  };
}

describe('the order of the list', () => {
  test('is who asks, running, paused, queued, then the ended ones', () => {
    const statuses = ['cancelled', 'queued', 'paused', 'running', 'input_required'] as const;
    const rows = statuses.map((status) => row(status, { status }));
    expect(rows.sort(compareRows).map(({ status }) => status)).toEqual([...statuses].reverse());
  });

  test('is by the end among ended tasks, whatever their end was', () => {
    const rows = [
      row('1', { status: 'failed', ended_at: '2026-01-01T00:00:03.000Z' }),
      row('2', { status: 'completed', ended_at: '2026-01-01T00:00:05.000Z' }),
      row('3', {
        status: 'timeout',
        ended_at: '2026-01-01T00:00:04.000Z',
        created_at: '2026-01-01T00:00:02.000Z',
      }),
    ];
    expect(rows.sort(compareRows).map(({ task_id }) => task_id)).toEqual(['2', '3', '1']);
  });

  test('is newest first in a group, and always the same', () => {
    const rows = [row('a'), row('c'), row('b'), row('new', { created_at: '2026-01-02T00:00:00.000Z' })];
    expect(rows.sort(compareRows).map(({ task_id }) => task_id)).toEqual(['new', 'c', 'b', 'a']);
  });
});

describe('the filter', () => {
  test.each(['', 'status=running%2Cfailed', 'q=a+b', 'status=queued&q=%3Cb%3E'])(
    'is kept in the URL: %s',
    (query) => {
      const { status = '', q = '' } = writeFilter(readFilter(new URLSearchParams(query)));
      const given = new URLSearchParams(query);
      expect([status, q]).toEqual([given.get('status') ?? '', given.get('q') ?? '']);
    },
  );

  test('ignores what is no status, and cuts what the bridge would refuse', () => {
    const filter = readFilter(
      new URLSearchParams({ status: 'running,nonsense,', q: `  ${'x'.repeat(300)} ` }),
    );
    expect(filter.statuses).toEqual(['running']);
    expect(filter.text).toHaveLength(200);
  });

  test('asks the bridge for what it shows', () => {
    expect(listQuery({ statuses: [], text: '' })).toEqual({});
    expect(listQuery({ statuses: ['failed', 'timeout'], text: 'a' })).toEqual({
      status: 'failed,timeout',
      text: 'a',
    });
  });

  test('takes a status in and out', () => {
    const one = toggleStatus({ statuses: [], text: 'a' }, 'failed');
    const two = toggleStatus(one, 'running');
    expect(two).toEqual({ statuses: ['running', 'failed'], text: 'a' });
    expect(toggleStatus(two, 'failed').statuses).toEqual(['running']);
  });

  test('knows whether a text is in a description, unless the row has only its beginning', () => {
    const filter = { statuses: [], text: 'Needle' };
    expect(hasText(filter, row('1', { description: 'a nEEdle' }))).toBe(true);
    expect(hasText(filter, row('1', { description: 'hay' }))).toBe(false);
    expect(hasText(filter, row('1', { description: 'a lot of hay…' }))).toBeUndefined();
    expect(hasText({ statuses: [], text: '' }, row('1', { description: 'a lot of hay…' }))).toBe(true);
  });
});

test('a folder has its name, unless it was made for the task', () => {
  expect(folderName({ directory: '/home/ann/project/', task_id: 'task_1' })).toBe('project');
  expect(folderName({ directory: '/work/task_1', task_id: 'task_1' })).toBe('');
  expect(folderName({ directory: '/', task_id: 'task_1' })).toBe('');
});

test.each([
  [0, '$0'],
  [0.00001, '<$0.0001'],
  [0.0042, '$0.0042'],
  [0.01, '$0.01'],
  [12.345, '$12.35'],
])('%d US dollars are %s', (usd, text) => {
  expect(formatCost(usd)).toBe(text);
});

test.each([
  [0, '0'],
  [999, '999'],
  [1_000, '1k'],
  [12_345, '12.3k'],
  [99_960, '100k'],
  [999_499, '999k'],
  [999_500, '1M'],
  [1_234_567, '1.2M'],
])('%d is %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});
