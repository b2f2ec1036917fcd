import { describe, expect, it } from 'vitest';
import type { TaskEvent } from '../../../src/web/api/task.ts';
import { Projector } from '../../../src/web/task/output/projector.ts';
import { textOfRow } from '../../../src/web/task/output/row-text.ts';
import type { LogRow } from '../../../src/web/task/output/rows.ts';
import { terminalLines } from '../../../src/web/task/output/terminal-lines.ts';

type Body = TaskEvent extends infer E ? (E extends TaskEvent ? Omit<E, 'seq' | 'at'> : never) : never;

const AT = '2026-01-02T03:04:05.000Z';
const CREATED: Body = {
  kind: 'created',
  agent_id: 'agent-1',
  description: 'Write sum.js.',
  runner: 'opencode-server',
  directory: '/w/task_1',
  owns_directory: true,
  observers: [],
  timeout_ms: 1,
};
const RESULT = { summary: 's', files_changed: [], files_changed_total: 2, finish: 'stop' };

function call(phase: 'started' | 'finished', call_id: string, tool = 'bash', more: object = {}): Body {
  return { kind: 'tool', phase, call_id, tool, title: `title of ${call_id}`, ...more };
}

/** The events one after another, with numbers. */
function project(...bodies: Body[]): Projector {
  const projector = new Projector();
  bodies.forEach((body, index) => {
    projector.add({ seq: index + 1, at: AT, ...body } as TaskEvent);
  });
  return projector;
}

const rowsOf = (...bodies: Body[]): LogRow[] => [...project(...bodies).rows.values()];

describe('a tool call', () => {
  it('is one row, from its start to its end', () => {
    const [running] = rowsOf(call('started', 'c1'));
    expect(running).toMatchObject({ id: 1, state: 'running', severity: 'info', text: '' });
    const rows = rowsOf(
      call('started', 'c1'),
      { kind: 'usage', usage: usage() },
      call('finished', 'c1', 'bash', { ok: false, exit_code: 2, output: 'bad', duration_ms: 812 }),
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ id: 1, state: 'failed', severity: 'warning', exitCode: 2, text: 'bad' });
    expect(textOfRow(rows[0] as LogRow)).toBe('$ bash title of c1\nbad\n(exit 2 · 812 ms)');
  });

  it('needs no start', () => {
    expect(rowsOf(call('finished', 'c1', 'bash', { ok: true }))).toMatchObject([{ id: 1, state: 'ok' }]);
  });

  it('of two calls at once, each gets its own end', () => {
    const rows = rowsOf(
      call('started', 'c1'),
      call('started', 'c2'),
      call('finished', 'c1', 'bash', { ok: true, output: 'one' }),
    );
    expect(rows).toMatchObject([{ state: 'ok', text: 'one' }, { state: 'running' }]);
  });

  it('that still runs at the end of the task is lost', () => {
    const rows = rowsOf(call('started', 'c1'), { kind: 'cancelled', by: 'ann' });
    expect(rows).toMatchObject([{ state: 'lost' }, { label: 'Cancelled by ann' }]);
  });

  it('shows paths below the directory of the task, and the file that it wrote once', () => {
    const rows = rowsOf(
      CREATED,
      call('started', 'c1', 'write', { title: '/w/task_1/src/a.js' }),
      call('finished', 'c1', 'write', { title: '/w/task_1/src/a.js', ok: true }),
      { kind: 'file_changed', path: 'src/a.js', tool: 'write' },
      { kind: 'file_changed', path: 'other.js', tool: 'write' },
    );
    expect(rows.slice(1)).toMatchObject([{ title: 'src/a.js' }, { label: 'Changed other.js' }]);
  });
});

describe('a subagent', () => {
  it('has the calls that it makes, and no others that begin while it works', () => {
    const rows = rowsOf(
      call('started', 'c1', 'task'),
      call('started', 'c2', 'bash', { parent_call_id: 'c1' }),
      call('finished', 'c2', 'bash', { ok: true, parent_call_id: 'c1' }),
      call('started', 'c3'),
      call('finished', 'c1', 'task', { ok: true }),
    );
    expect(rows.map(({ parent }) => parent)).toEqual([undefined, 'c1', undefined]);
    expect(textOfRow(rows[1] as LogRow)).toBe('  $ bash title of c2');
  });

  it('keeps its calls from those of another that works with it', () => {
    const rows = rowsOf(
      call('started', 'c1', 'task'),
      call('started', 'c2', 'task'),
      call('started', 'c3', 'bash', { parent_call_id: 'c1' }),
    );
    expect(rows.map(({ parent }) => parent)).toEqual([undefined, undefined, 'c1']);
  });
});

describe('other events', () => {
  it.each<[Body, Partial<LogRow>]>([
    [CREATED, { kind: 'message', text: 'Write sum.js.' }],
    [
      { kind: 'output', text: 'Hi\r\n', message_id: 'm', part_id: 'p' },
      { kind: 'model', text: 'Hi\n' },
    ],
    [
      { kind: 'warning', code: 'X', message: 'm' },
      { kind: 'problem', severity: 'warning' },
    ],
    [
      { kind: 'retrying', attempt: 2, message: '529', next_at: '2026-01-02T03:04:15.000Z' },
      { severity: 'warning', label: 'Call of the model failed; retry 2 in 10 s' } as Partial<LogRow>,
    ],
    [
      { kind: 'failed', error: { code: 'E', message: 'm', next: 'n' } },
      { severity: 'error', text: 'm\nn' },
    ],
    [
      { kind: 'completed', result: RESULT },
      { kind: 'state', text: '2 files changed' },
    ],
    [
      { kind: 'todo', items: [{ content: 'a', status: 'in_progress', priority: 'high' }] },
      { label: 'Steps: 0 of 1 done', text: 'a' } as Partial<LogRow>,
    ],
    [
      { kind: 'message', from: 'human', delivery: 'interrupt', text: 'Stop.' },
      { label: 'Message of a person, interrupts' } as Partial<LogRow>,
    ],
  ])('%j is a row', (body, row) => {
    expect(rowsOf(body)).toMatchObject([row]);
  });

  it('of no use to people are none', () => {
    expect(
      rowsOf(
        { kind: 'attached', session_id: 's', prompt_id: 'p' },
        { kind: 'usage', usage: usage() },
        { kind: 'message_sent', message_seqs: [1], prompt_id: 'p' },
      ),
    ).toEqual([]);
  });

  it('an answer names what was asked', () => {
    const request = { id: 'per_1', type: 'permission' as const, title: 'Allow bash: rm', session_id: 's' };
    const rows = rowsOf(
      { kind: 'request_opened', request: { ...request, expires_at: undefined } },
      { kind: 'request_closed', request_id: 'per_1', by: 'ann', reply: 'reject', message: 'no' },
    );
    expect(rows[0]).toMatchObject({ kind: 'request', tone: 'ask', text: 'Allow bash: rm' });
    expect(rows[1]).toMatchObject({ label: 'Rejected by ann', text: 'Allow bash: rm\nno', kind: 'request' });
  });

  it('of a kind that is not known are a line', () => {
    expect(rowsOf({ kind: 'levitated' } as unknown as Body)).toMatchObject([{ label: 'levitated' }]);
  });
});

it('costs the same for each event, and says what it changed', () => {
  const projector = project(CREATED, call('started', 'c1'));
  expect(projector.add({ seq: 3, at: AT, ...call('finished', 'c1') } as TaskEvent)).toEqual([2]);
  expect(projector.add({ seq: 4, at: AT, kind: 'started' })).toEqual([4]);
  projector.dropBefore(4);
  expect([...projector.rows.keys()]).toEqual([4]);
});

it('survives a call whose start was dropped', () => {
  const projector = project(call('started', 'c1'), { kind: 'started' });
  projector.dropBefore(2);
  projector.add({ seq: 3, at: AT, ...call('finished', 'c1', 'bash', { ok: true }) } as TaskEvent);
  expect([...projector.rows.keys()]).toEqual([2, 3]);
});

describe('text for the clipboard and files', () => {
  it('has no colours and nothing that acts on a terminal', () => {
    const [row] = rowsOf(
      call('finished', 'c1', 'bash', { ok: true, output: '\u001b[31mred\u001b[0m \u202eevil\u0007\u0008' }),
    );
    expect(textOfRow(row as LogRow)).toBe('$ bash title of c1\nred ⟨U+202E⟩evil␇␈');
  });
});

it.each([
  ['10%\r20%\r30%\ndone', '\u21a430%\ndone'],
  ['a\r\nb\r\n', 'a\nb\n'],
  ['50%\r', '50%'],
  ['a\u001b[2K\u001b[1Gb', '\u21a4b'],
  ['plain\ntext', 'plain\ntext'],
  ['\r\r', ''],
])('the lines of %j are %j', (text, lines) => {
  expect(terminalLines(text)).toBe(lines);
});

function usage() {
  return {
    input_tokens: 0,
    output_tokens: 0,
    reasoning_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    cost_usd: 0,
  };
}
