import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunOutput } from '../../../src/runners/docker/run-output.ts';
import type { TaskEvent, TaskEventBody } from '../../../src/tasks/events.ts';
import { NO_USAGE } from '../../../src/tasks/events.ts';

const line = (type: string, rest: object) =>
  JSON.stringify({ type, timestamp: 1, sessionID: 'ses_1', ...rest });
const base = (id: string) => ({ id, messageID: `msg_${id}`, sessionID: 'ses_1' });
const text = (id: string, words: string) =>
  line('text', { part: { ...base(id), type: 'text', text: words } });
const start = (id: string) => line('step_start', { part: { ...base(id), type: 'step-start' } });
const finish = (id: string, reason: string) =>
  line('step_finish', {
    part: {
      ...base(id),
      type: 'step-finish',
      reason,
      cost: 0.5,
      tokens: { input: 10, output: 2, reasoning: 0, cache: { read: 0, write: 0 } },
    },
  });
const tool = (callID: string, name: string, input: object, output = '', exit?: number) =>
  line('tool_use', {
    part: {
      ...base(callID),
      type: 'tool',
      callID,
      tool: name,
      state: {
        status: 'completed',
        input,
        output,
        title: name,
        metadata: { exit },
        time: { start: 5, end: 9 },
      },
    },
  });

const RUN = [
  start('1'),
  tool('c1', 'write', { filePath: '/w/ä.txt', content: '🙂' }),
  finish('2', 'tool-calls'),
  start('3'),
  tool('c2', 'bash', { command: 'false' }, 'no\n', 1),
  tool('c3', 'todowrite', { todos: [{ content: 'x', status: 'completed', priority: 'high' }] }),
  finish('4', 'tool-calls'),
  start('5'),
  text('6', 'Grüße 🙂'),
  finish('7', 'stop'),
];
const EVENTS = [
  { kind: 'tool', call_id: 'c1', phase: 'finished', title: '/w/ä.txt', ok: true, duration_ms: 4 },
  { kind: 'file_changed', path: 'ä.txt', tool: 'write' },
  { kind: 'usage', usage: { input_tokens: 10, output_tokens: 2, cost_usd: 0.5 } },
  { kind: 'tool', call_id: 'c2', ok: false, exit_code: 1, output: 'no\n' },
  { kind: 'tool', call_id: 'c3', ok: true },
  { kind: 'todo', items: [{ content: 'x', status: 'completed', priority: 'high' }] },
  { kind: 'usage', usage: { input_tokens: 20 } },
  { kind: 'output', text: 'Grüße 🙂', part_id: '6', message_id: 'msg_6' },
  { kind: 'usage', usage: { input_tokens: 30, output_tokens: 6, cost_usd: 1.5 } },
];

const output = (past: TaskEvent[] = []) => new RunOutput('/w', past, NO_USAGE);
const bytes = (lines: readonly string[]) => Buffer.from(lines.map((each) => `${each}\n`).join(''));
const stored = (bodies: TaskEventBody[]) =>
  bodies.map((body, index) => ({ ...body, taskId: 't', seq: index + 1, at: 0 }));
const said = (events: TaskEventBody[]) =>
  events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));

describe('the output of opencode run', () => {
  it('becomes events and a report', () => {
    const run = output();
    expect(run.read('stdout', bytes(RUN))).toMatchObject(EVENTS);
    expect(run.report).toMatchObject({ session: 'ses_1', summary: 'Grüße 🙂', finish: 'stop' });
  });

  it('gives the same result for any chunks', () => {
    const all = bytes(RUN);
    fc.assert(
      fc.property(fc.array(fc.nat(all.length), { maxLength: 20 }), (cuts) => {
        const run = output();
        const at = [0, ...cuts.sort((a, b) => a - b), all.length];
        const events = at.slice(1).flatMap((end, index) => run.read('stdout', all.subarray(at[index], end)));
        expect([...events, ...run.end()]).toMatchObject(EVENTS);
      }),
    );
  });

  it.each(RUN.map((_, count) => count))(
    'tells nothing twice where the log holds what %i lines said',
    (count) => {
      const before = output().read('stdout', bytes(RUN.slice(0, count)));
      const after = output(stored(before)).read('stdout', bytes(RUN));
      expect([...before, ...after]).toMatchObject(EVENTS);
    },
  );

  it('is read again from its beginning without repeated events', () => {
    const run = output();
    run.read('stdout', bytes(RUN));
    run.restart();
    expect(run.report).toEqual({ summary: '', rejectedPermissions: [] });
    expect(run.read('stdout', bytes(RUN))).toEqual([]);
    expect(run.report).toMatchObject({ summary: 'Grüße 🙂', finish: 'stop' });
  });

  it('adds to the usage before the run', () => {
    const run = new RunOutput('/w', [], { ...NO_USAGE, input_tokens: 100 });
    expect(run.read('stdout', bytes([finish('1', 'stop')]))).toMatchObject([
      { usage: { input_tokens: 110 } },
    ]);
  });

  it('reports lines that are not JSON, each once, up to a limit, without colours', () => {
    const run = output();
    expect(
      said(run.read('stderr', bytes(['\u001b[93m! \u001b[0mcareful', '! careful', '', '{broken']))),
    ).toEqual(['! careful', '{broken']);
    const many = Array.from({ length: 100 }, (_, index) => `line ${index} ${'x'.repeat(1_000)}`);
    const told = said(run.read('stdout', bytes(many)));
    expect(told).toHaveLength(18);
    expect(Math.max(...told.map(({ length }) => length))).toBe(500);
  });

  it('ignores an incomplete last line of JSON, and JSON of unknown types', () => {
    const run = output();
    expect(run.read('stdout', bytes([line('brand_new', {}), '[1]']))).toMatchObject([{ message: '[1]' }]);
    run.read('stdout', Buffer.from(text('1', 'never ended').slice(0, -5)));
    expect(run.end()).toEqual([]);
    run.read('stdout', Buffer.from(text('2', 'whole')));
    expect(run.end()).toMatchObject([{ kind: 'output', text: 'whole' }]);
  });

  it('warns about a known type in an unknown format', () => {
    expect(said(output().read('stdout', bytes([line('text', { part: 7 })])))).toEqual([
      'OpenCode wrote a line "text" in an unknown format.',
    ]);
  });

  it('finds an unknown agent and rejected permissions', () => {
    const run = output();
    const lines = [
      '! agent "no pe" not found. Falling back to default agent',
      '! permission requested: bash (echo q); auto-rejecting',
    ];
    expect(said(run.read('stderr', bytes(lines)))[1]).toBe('Rejected by policy: bash (echo q)');
    expect(run.report).toMatchObject({ unknownAgent: 'no pe', rejectedPermissions: ['bash (echo q)'] });
  });

  it('drops an error after which OpenCode continues', () => {
    const run = output();
    const error = line('error', { error: { name: 'ContextOverflowError', data: { message: 'too long' } } });
    run.read('stdout', bytes([error]));
    expect(run.report.error?.name).toBe('ContextOverflowError');
    run.read('stdout', bytes([start('1'), finish('2', 'stop')]));
    expect(run.report).toMatchObject({ error: undefined, finish: 'stop' });
  });

  it('is read after a line that is too long, which is reported', () => {
    const run = new RunOutput('/w', [], NO_USAGE, { line: 1_000 });
    const lines = [start('1'), text('2', 'x'.repeat(2_000)), text('3', 'after'), finish('4', 'stop')];
    expect(run.read('stdout', bytes(lines))).toMatchObject([
      { kind: 'output', text: 'after' },
      { kind: 'usage' },
      { kind: 'warning', code: 'ENGINE_OUTPUT', message: expect.stringContaining('longer than 1000 bytes') },
    ]);
    expect(run.report).toMatchObject({ summary: 'after', finish: 'stop' });
    run.restart();
    expect(run.read('stdout', bytes(lines))).toEqual([]);
  });

  it('may have a line of 600 MB, which no string can hold', () => {
    const run = output();
    const piece = Buffer.alloc(2 ** 20, 'x');
    const told = Array.from({ length: 600 }, () => run.read('stdout', piece)).flat();
    expect(said(told)).toEqual([expect.stringContaining('longer than')]);
    expect(run.read('stdout', bytes(['', text('1', 'after')]))).toMatchObject([{ text: 'after' }]);
  });

  it('is not read beyond its limit, but can be read again from its beginning', () => {
    const run = new RunOutput('/w', [], NO_USAGE, { total: 10_000 });
    expect(run.read('stdout', bytes([text('1', 'one')]))).toHaveLength(1);
    expect(run.report.outputLimitReached).toBeUndefined();
    expect(run.read('stderr', Buffer.alloc(10_000, 'x'))).toEqual([]);
    expect(run.report.outputLimitReached).toBe(true);
    expect([...run.read('stdout', bytes([text('2', 'two')])), ...run.end()]).toEqual([]);
    run.restart();
    expect(run.read('stdout', bytes([text('1', 'one'), text('2', 'two')]))).toMatchObject([{ text: 'two' }]);
  });

  it('reports rejected permissions up to a limit, and keeps the last', () => {
    const run = output();
    const rejected = (n: number) => `! permission requested: bash (echo ${n}); auto-rejecting`;
    const told = run.read('stderr', bytes(Array.from({ length: 5_000 }, (_, index) => rejected(index))));
    expect(told).toHaveLength(20);
    expect(run.report.rejectedPermissions).toHaveLength(20);
    expect(run.report.rejectedPermissions.at(-1)).toBe('bash (echo 4999)');
  });

  it('counts 50,000 steps in linear time', () => {
    const steps = Array.from({ length: 50_000 }, (_, index) => finish(`s${index}`, 'tool-calls'));
    const began = process.cpuUsage();
    const run = output();
    run.read('stdout', bytes(steps));
    expect(run.usage.input_tokens).toBe(500_000);
    expect(process.cpuUsage(began).user).toBeLessThan(5_000_000);
  });
});
