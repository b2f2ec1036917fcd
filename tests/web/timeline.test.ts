import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { viewEvent } from '../../src/tasks/view-event.ts';
import type { TaskEvent } from '../../src/web/api/task.ts';
import { drawnSpans, ticksOf, toolLanes } from '../../src/web/task/timeline/picture-layout.ts';
import { Timeline } from '../../src/web/task/timeline/spans.ts';
import { created } from '../tasks/created.ts';

type Timed = readonly [at: number, body: TaskEventBody];

const START = Date.parse('2026-01-02T03:04:05Z');
const events = (...timed: Timed[]): TaskEvent[] =>
  timed.map(([at, body], index) => viewEvent({ taskId: 't', seq: index + 1, at: START + at, ...body }));

const tool = (phase: 'started' | 'finished', call_id: string, more = {}): TaskEventBody => ({
  kind: 'tool',
  phase,
  call_id,
  tool: 'bash',
  title: `run ${call_id}`,
  ...more,
});
const output: TaskEventBody = { kind: 'output', text: 'x', message_id: 'm', part_id: 'p' };
const ask: TaskEventBody = {
  kind: 'request_opened',
  request: { id: 'per_1', type: 'permission', title: 'Allow bash: rm', session_id: 's' },
};
const answer: TaskEventBody = { kind: 'request_closed', request_id: 'per_1', by: 'ann', reply: 'once' };
const restarted: TaskEventBody = { kind: 'warning', code: 'BRIDGE_RESTARTED', message: '' };
const cancelled: TaskEventBody = { kind: 'cancelled', by: 'ann' };
const BEGIN: Timed[] = [
  [0, created()],
  [100, { kind: 'started' }],
  [150, { kind: 'attached', session_id: 's', prompt_id: 'p' }],
];

const timelineOf = (list: TaskEvent[], now: number) => {
  const timeline = new Timeline();
  // Event by event, and looked at in between, as on a page that follows a task.
  for (let count = 1; count <= list.length; count += Math.ceil(list.length / 50)) {
    timeline.update(list.slice(0, count));
    timeline.at(now);
  }
  timeline.update(list);
  return timeline.at(now);
};

/** `model 150-300` for each span, times since the start. */
const spansOf = (now: number, ...timed: Timed[]): string[] =>
  timelineOf(events(...BEGIN, ...timed), START + now).spans.map(
    ({ activity, from, to }) => `${activity} ${from - START}-${to - START}`,
  );
const AFTER = (...rest: string[]): string[] => ['queued 0-100', 'starting 100-150', ...rest];

describe('Timeline', () => {
  it('grows until the task has ended', () => {
    expect(spansOf(400)).toEqual(AFTER('model 150-400'));
    expect(spansOf(9_999, [500, cancelled])).toEqual(AFTER('model 150-500'));
    expect(timelineOf([], START).spans).toEqual([]);
  });

  it('has tools while one of them runs', () => {
    const timed: Timed[] = [
      [200, tool('started', 'a')],
      [210, tool('started', 'b')],
      [300, tool('finished', 'a', { ok: true })],
      [400, tool('finished', 'b', { ok: false })],
    ];
    expect(spansOf(500, ...timed)).toEqual(AFTER('model 150-200', 'tools 200-400', 'model 400-500'));
    const { spans, tools, totals } = timelineOf(events(...BEGIN, ...timed), START + 500);
    expect(spans[3]?.details).toEqual(['bash: run a', 'bash: run b']);
    expect(tools.map(({ ok }) => ok)).toEqual([true, false]);
    expect(totals).toMatchObject({ queued: 100, starting: 50, model: 150, tools: 200 });
  });

  it('of a tool of which only the end is known takes its duration', () => {
    const timed: Timed = [400, tool('finished', 'a', { duration_ms: 100, ok: true })];
    expect(spansOf(500, timed)).toEqual(AFTER('model 150-300', 'tools 300-400', 'model 400-500'));
    const longer: Timed = [400, tool('finished', 'a', { duration_ms: 9_000 })];
    expect(spansOf(400, longer)).toEqual(AFTER('tools 150-400'));
  });

  it('waits for people also while a tool runs', () => {
    expect(
      spansOf(900, [200, tool('started', 'a')], [300, ask], [700, answer], [800, tool('finished', 'a')]),
    ).toEqual(AFTER('model 150-200', 'tools 200-300', 'waiting 300-700', 'tools 700-800', 'model 800-900'));
  });

  it('is paused whatever else is open, and a pause ends what ran', () => {
    expect(
      spansOf(
        900,
        [200, tool('started', 'a')],
        [300, ask],
        [400, { kind: 'paused' }],
        [500, answer],
        [700, { kind: 'resumed' }],
      ),
    ).toEqual(AFTER('model 150-200', 'tools 200-300', 'waiting 300-400', 'paused 400-700', 'model 700-900'));
  });

  it('waits for the provider until the next call, or a sign of life', () => {
    const retrying: TaskEventBody = { kind: 'retrying', attempt: 1, message: '529', next_at: START + 600 };
    expect(spansOf(900, [300, retrying])).toEqual(
      AFTER('model 150-300', 'retrying 300-600', 'model 600-900'),
    );
    expect(spansOf(900, [300, retrying], [400, output])).toEqual(
      AFTER('model 150-300', 'retrying 300-400', 'model 400-900'),
    );
    expect(spansOf(500, [300, retrying])).toEqual(AFTER('model 150-300', 'retrying 300-500'));
  });

  it('knows that the bridge was away, but a pause stays a pause', () => {
    expect(spansOf(900, [300, output], [800, restarted])).toEqual(
      AFTER('model 150-300', 'away 300-800', 'model 800-900'),
    );
    expect(spansOf(900, [300, { kind: 'paused' }], [800, restarted])).toEqual(
      AFTER('model 150-300', 'paused 300-900'),
    );
  });

  it('ends what a lost turn left running when the next prompt is sent', () => {
    const sent: TaskEventBody = { kind: 'message_sent', message_seqs: [1], prompt_id: 'p2' };
    expect(spansOf(600, [200, tool('started', 'a')], [300, sent])).toEqual(
      AFTER('model 150-200', 'tools 200-300', 'model 300-600'),
    );
  });

  it('has no gap and no overlap, and its totals are all of the time, whatever happens', () => {
    const bodies = fc.constantFrom<TaskEventBody>(
      tool('started', 'a'),
      tool('started', 'b'),
      tool('finished', 'a', { duration_ms: 50 }),
      tool('finished', 'c', { duration_ms: 5_000 }),
      ask,
      answer,
      output,
      { kind: 'paused' },
      { kind: 'resumed' },
      { kind: 'retrying', attempt: 1, message: '', next_at: START + 700 },
      restarted,
    );
    const steps = fc.array(fc.tuple(fc.integer({ min: -20, max: 300 }), bodies), { maxLength: 30 });
    fc.assert(
      fc.property(steps, (list) => {
        let at = 150;
        const timed = list.map(([step, body]): Timed => {
          at += step;
          return [at, body];
        });
        const { from, to, spans, totals, tools } = timelineOf(events(...BEGIN, ...timed), START + 500);
        let end = from;
        for (const span of spans) {
          expect(span.from).toBe(end);
          expect(span.to).toBeGreaterThan(span.from);
          end = span.to;
        }
        expect(end).toBe(to);
        expect(Object.values(totals).reduce((sum, time) => sum + time, 0)).toBe(to - from);
        for (const call of tools) expect(call.to).toBeGreaterThanOrEqual(call.from);
      }),
    );
  });
});

describe('the picture', () => {
  it('of 20,000 calls has a bounded number of parts over the whole width', () => {
    const many = Array.from({ length: 20_000 }, (_, index): Timed[] => [
      [200 + index * 10, tool('started', `${index}`)],
      [204 + index * 10, tool('finished', `${index}`, { ok: true })],
    ]).flat();
    const data = timelineOf(events(...BEGIN, ...many), START + 300_000);
    const drawn = drawnSpans(data);
    expect(drawn.length).toBeLessThanOrEqual(600);
    expect([drawn[0]?.from, drawn.at(-1)?.to]).toEqual([data.from, data.to]);
    expect(toolLanes(data).flat().length).toBeLessThanOrEqual(700);
  });

  it('has calls that overlap in lanes of their own, at most four', () => {
    const timed = Array.from({ length: 6 }, (_, index): Timed => [200 + index, tool('started', `${index}`)]);
    const lanes = toolLanes(timelineOf(events(...BEGIN, ...timed), START + 500));
    expect(lanes.map((lane) => lane.length)).toEqual([1, 1, 1, 3]);
  });

  it.each([
    [450, 100],
    [59_000, 10_000],
    [3_600_000, 600_000],
    [100 * 86_400_000, 17 * 86_400_000],
  ])('of %i ms has a mark each %i ms', (length, step) => {
    const ticks = ticksOf(length);
    expect(ticks[1]).toBe(step);
    expect(ticks.length).toBeLessThanOrEqual(8);
  });
});
