import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LiveFeeds, type TaskLive } from '../../../src/execution/live/live-feeds.ts';
import type { LivePart } from '../../../src/runners/live-sink.ts';
import { EventLog } from '../../../src/store/event-log.ts';
import { openDatabase } from '../../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../../src/tasks/events.ts';
import { type FollowItem, isLive, type LiveFrame } from '../../../src/tasks/live-frame.ts';
import { ManualClock, settled } from '../../support/clock.ts';
import { tempDir } from '../../support/temp.ts';
import { created } from '../../tasks/created.ts';

let folder: Awaited<ReturnType<typeof tempDir>>;
let log: EventLog;
let tasks = 0;

beforeAll(async () => {
  folder = await tempDir('live-');
  log = new EventLog(new SqliteTaskStore(openDatabase(folder.path)));
});
afterAll(async () => {
  log.store.close();
  await folder.remove();
});

const textPart = (n: number | string): LivePart => ({ kind: 'text', id: `prt_${n}`, child: false });
const outputPart = (n: number | string): LivePart => ({ kind: 'tool_output', id: `call_${n}`, child: false });
const finished = (part: LivePart, text: string): TaskEventBody =>
  part.kind === 'text'
    ? { kind: 'output', text, message_id: 'm', part_id: part.id }
    : {
        ...{ kind: 'tool', phase: 'finished', call_id: part.id, tool: 'bash', title: 't' },
        ...{ ok: true, output: text, duration_ms: 1 },
      };

/** A task whose run is the test, on a clock that stands still. */
function startTask() {
  tasks += 1;
  const id = `task_live_${tasks}`;
  const clock = new ManualClock();
  const feeds = new LiveFeeds(log, clock);
  log.create(id, created(), `print ${tasks}`);
  let isOver = false;
  const live: TaskLive = feeds.of(id, () => isOver);
  return {
    id,
    clock,
    feeds,
    live,
    seal: () => {
      isOver = true;
    },
    /** As the recorder does it. */
    emit(...events: TaskEventBody[]): void {
      live.finish(events);
      log.append(id, ...events);
    },
    /** A follower that reads on only when it may; `Infinity`: always. */
    follow(permits = Number.POSITIVE_INFINITY, afterSeq = 0) {
      const items: FollowItem[] = [];
      const stop = new AbortController();
      let left = permits;
      let more = Promise.withResolvers<void>();
      const ended = (async () => {
        for await (const item of feeds.follow(id, afterSeq, stop.signal)) {
          items.push(item);
          left -= 1;
          while (left <= 0) await more.promise;
        }
      })();
      return {
        items,
        ended,
        stop: () => stop.abort(),
        permit(n: number): void {
          left = Math.max(left, 0) + n;
          more.resolve();
          more = Promise.withResolvers();
        },
        frames: (): LiveFrame[] => items.filter(isLive),
        texts: (): string[] => items.filter(isLive).map(({ text }) => text),
      };
    },
  };
}

it('passes the first text on at once, and then at most every 50 ms', async () => {
  const { live, clock, follow } = startTask();
  const { texts } = follow();
  await settled();
  live.begin(textPart(1));
  live.append(textPart(1), 'a');
  live.append(textPart(1), 'b');
  await settled();
  expect(texts(), 'what comes in one go').toEqual(['ab']);
  live.append(textPart(1), 'c');
  await clock.advance(49);
  live.append(textPart(1), 'd');
  live.append(textPart(2), 'other');
  expect(texts()).toEqual(['ab']);
  await clock.advance(1);
  expect(texts(), 'one frame for each part').toEqual(['ab', 'cd', 'other']);
  await clock.advance(50);
  live.append(textPart(1), 'e');
  await settled();
  expect(texts(), 'after a quiet interval').toEqual(['ab', 'cd', 'other', 'e']);
});

it('keeps and schedules nothing while nobody follows', async () => {
  const { live, clock, follow } = startTask();
  expect(live.wanted).toBe(false);
  live.append(textPart(1), 'unheard');
  const first = follow();
  await settled();
  expect(live.wanted).toBe(true);
  live.append(textPart(1), 'heard');
  await settled();
  live.append(textPart(1), 'to be passed on later');
  expect(clock.pending).toBe(1);
  first.stop();
  await first.ended;
  expect(clock.pending).toBe(0);
  live.append(textPart(1), 'unheard');
  await settled();
  expect(live.wanted).toBe(false);
  expect(clock.pending).toBe(0);
});

it('schedules nothing any more once it is closed, although a follower is stuck', async () => {
  const { live, clock, feeds, follow } = startTask();
  const stuck = follow(1);
  await settled();
  live.append(textPart(1), 'one');
  await settled();
  live.append(textPart(1), 'two');
  feeds.close();
  live.append(textPart(1), 'three');
  live.begin(textPart(2));
  await clock.advance(100);
  expect(clock.pending).toBe(0);
  stuck.stop();
});

it('gives a follower that comes later only what comes later', async () => {
  const { live, clock, follow } = startTask();
  const early = follow();
  await settled();
  live.begin(textPart(1));
  live.append(textPart(1), 'before');
  await clock.advance(100);
  const late = follow();
  await settled();
  live.append(textPart(1), ', after');
  live.begin(textPart(2));
  live.append(textPart(2), 'new');
  await clock.advance(100);
  expect(early.texts()).toEqual(['before', ', after', 'new']);
  expect(late.frames()).toMatchObject([{ text: ', after', gap: true }, { text: 'new' }]);
  expect(late.frames()[1]).not.toHaveProperty('gap');
});

it('remembers so many parts, and says of others that something is missing', async () => {
  const { live, clock, follow } = startTask();
  const { frames } = follow();
  await settled();
  for (let n = 0; n < 1_000; n += 1) live.begin(textPart(n));
  for (const n of [0, 999]) live.append(textPart(n), 'text');
  await clock.advance(50);
  expect(frames()).toMatchObject([{ part: 'prt_0', gap: true }, { part: 'prt_999' }]);
  expect(frames()[1]).not.toHaveProperty('gap');
});

it('says where text was lost', async () => {
  const { live, clock, follow } = startTask();
  const { frames } = follow();
  await settled();
  live.begin(textPart(1));
  live.append(textPart(1), 'one');
  await settled();
  live.append(textPart(1), 'two\uD83D');
  live.gap();
  live.append(textPart(1), '\uDE00four');
  await clock.advance(50);
  expect(frames()).toMatchObject([{ text: 'one' }, { text: 'two' }, { text: 'four', gap: true }]);
});

it('shows a late follower the end of what a command printed', async () => {
  const { live, clock, follow } = startTask();
  const { frames } = follow();
  await settled();
  live.show(outputPart(1), 'printed before\n', false);
  await clock.advance(50);
  live.show(outputPart(1), 'printed before\nand after\n', false);
  await clock.advance(50);
  expect(frames()).toMatchObject([{ text: 'printed before\n', reset: true }, { text: 'and after\n' }]);
  expect(frames()[1]).not.toHaveProperty('reset');
});

it('passes the rest of a part on before the event that finishes it', async () => {
  const { live, emit, follow } = startTask();
  const { items } = follow();
  await settled();
  live.begin(textPart(1));
  live.append(textPart(1), 'one ');
  await settled();
  live.append(textPart(1), 'two');
  emit(finished(textPart(1), 'one two'));
  live.show(outputPart(1), '', false);
  live.show(outputPart(1), 'printed', false);
  emit(finished(outputPart(1), 'printed'));
  live.begin(textPart(2));
  live.append(textPart(2), 'at once');
  emit(finished(textPart(2), 'at once'));
  await settled();
  expect(items.slice(1).map((item) => (isLive(item) ? item.text : item.kind))).toEqual([
    ...['one ', 'two', 'output'],
    ...['printed', 'tool'],
    'output',
  ]);
});

it('a subagent’s text is passed on to its end, which no event has', async () => {
  const { live, follow } = startTask();
  const { frames } = follow();
  await settled();
  const part = { ...textPart(1), child: true };
  live.begin(part);
  live.append(part, 'one ');
  await settled();
  live.append(part, 'two');
  live.end(part);
  await settled();
  expect(frames()).toMatchObject([
    { text: 'one ', child: true },
    { text: 'two', child: true },
  ]);
});

it('shows nothing behind the end of the task', async () => {
  const { live, clock, emit, seal, follow } = startTask();
  const { items, ended } = follow(2);
  await settled();
  live.append(textPart(1), 'one');
  await settled();
  live.append(textPart(1), 'two');
  seal();
  expect(live.wanted).toBe(false);
  emit({ kind: 'cancelled', by: 'me' });
  await clock.advance(100);
  const late = follow();
  await late.ended;
  expect(late.items.map((item) => isLive(item) || item.kind)).toEqual(['created', 'cancelled']);
  expect(items.map((item) => isLive(item) || item.kind)).toEqual(['created', true]);
  void ended;
});

it('a follower that does not read is bounded, and hears that something is missing', async () => {
  const { live, clock, follow } = startTask();
  const slow = follow(1);
  await settled();
  const line = `${'x'.repeat(999)}\n`;
  for (let n = 0; n < 20; n += 1) live.begin(textPart(n));
  for (let round = 0; round < 100; round += 1) {
    for (let n = 0; n < 20; n += 1) live.append(textPart(n), line);
    await clock.advance(50);
  }
  slow.permit(Number.POSITIVE_INFINITY);
  await settled();
  const waited = slow.frames().reduce((sum, { text }) => sum + text.length, 0);
  expect(waited).toBeLessThanOrEqual(65_536);
  expect(waited).toBeGreaterThan(30_000);
  for (let n = 0; n < 20; n += 1) live.append(textPart(n), 'more');
  const before = slow.frames().length;
  await clock.advance(50);
  const all = slow.frames();
  const isMissed = (n: number): boolean => !all.slice(0, before).some(({ part }) => part === `prt_${n}`);
  expect(all.slice(before).map(({ gap = false }) => gap)).toEqual(
    Array.from({ length: 20 }, (_, n) => isMissed(n)),
  );
  expect(all.slice(0, before).every(({ gap }) => gap)).toBe(true);
});

type Op =
  | { op: 'append' | 'show'; part: number; text: string }
  | { op: 'finish'; part: number }
  | { op: 'tick'; ms: number }
  | { op: 'follow'; permits: number }
  | { op: 'permit'; follower: number; n: number }
  | { op: 'leave'; follower: number };

const unit = fc.oneof(
  fc.constantFrom('a', '\n', '\uD83D', '\uDE00', '€'),
  fc.string({ unit: 'binary', maxLength: 1 }),
);
const added = fc.oneof(
  fc.array(unit, { maxLength: 8 }).map((units) => units.join('')),
  // Unlike anywhere else: where the same comes again and again, nobody can tell how much of it is new.
  fc
    .tuple(fc.nat(), fc.integer({ min: 300, max: 3_000 }))
    .map(([from, lines]) => Array.from({ length: lines }, (_, n) => `😀 ${from} ${n}\n`).join('')),
);
const part = fc.nat(3);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constantFrom('append', 'show'), part, text: added }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('finish'), part }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('tick'), ms: fc.constantFrom(0, 10, 50) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('follow'),
      permits: fc.constantFrom(1, Number.POSITIVE_INFINITY),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('permit'), follower: fc.nat(4), n: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('leave'), follower: fc.nat(4) }) },
);

it('whatever comes in whatever order: each follower can trust what it gets', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { maxLength: 60 }), async (ops) => {
      const task = startTask();
      const followers: ReturnType<typeof task.follow>[] = [];
      /** The whole text of each part; a part that is finished makes room for the next. */
      const whole = new Map<string, string>();
      const round = [0, 0, 0, 0];
      const current = (kind: 'append' | 'show', n: number): LivePart =>
        kind === 'append' ? textPart(`${n}_${round[n]}`) : outputPart(`${n}_${round[n]}`);
      const grow = (kind: 'append' | 'show', n: number, text: string): void => {
        const part = current(kind, n);
        const isNew = !whole.has(part.id);
        whole.set(part.id, (whole.get(part.id) ?? '') + text);
        if (!task.live.wanted) return;
        if (kind === 'append') {
          if (isNew) task.live.begin(part);
          task.live.append(part, text);
        } else {
          const now = whole.get(part.id) ?? '';
          if (isNew) task.live.show(part, '', false);
          task.live.show(part, now.slice(-30_000), now.length > 30_000);
        }
      };
      for (const step of ops) {
        if (step.op === 'append' || step.op === 'show') grow(step.op, step.part, step.text);
        else if (step.op === 'finish') {
          for (const kind of ['append', 'show'] as const) {
            const part = current(kind, step.part);
            if (whole.has(part.id)) task.emit(finished(part, whole.get(part.id) ?? ''));
          }
          round[step.part] = (round[step.part] ?? 0) + 1;
        } else if (step.op === 'tick') await task.clock.advance(step.ms);
        else if (step.op === 'follow') {
          if (followers.length < 5) followers.push(task.follow(step.permits));
          await settled();
        } else if (step.op === 'permit') followers[step.follower]?.permit(step.n);
        else if (step.op === 'leave') followers[step.follower]?.stop();
      }
      await task.clock.advance(100);
      task.emit({ kind: 'cancelled', by: 'me' });
      for (const follower of followers) {
        follower.permit(Number.POSITIVE_INFINITY);
        await follower.ended;
        check(follower.items, whole);
      }
      expect(task.clock.pending).toBe(0);
    }),
    { numRuns: 150 },
  );
});

/** What a follower may rely on. */
function check(items: readonly FollowItem[], whole: ReadonlyMap<string, string>): void {
  const done = new Set<string>();
  const shown = new Map<string, string>();
  const broken = new Set<string>();
  for (const item of items) {
    if (!isLive(item)) {
      if (item.kind === 'output') done.add(item.part_id);
      if (item.kind === 'tool') done.add(item.call_id);
      continue;
    }
    const full = (whole.get(item.part) ?? '').toWellFormed();
    expect(done.has(item.part), 'no frame behind the event that finishes its part').toBe(false);
    expect(item.text.length).toBeLessThanOrEqual(16_384);
    expect(item.text).not.toBe('');
    expect(item.text.isWellFormed()).toBe(true);
    if (item.gap || item.reset) broken.add(item.part);
    const run = item.gap || item.reset ? item.text : (shown.get(item.part) ?? '') + item.text;
    shown.set(item.part, run);
    if (broken.has(item.part)) expect(full.includes(run), 'no other text than that of the part').toBe(true);
    else expect(full.startsWith(run), 'a prefix of the text').toBe(true);
  }
}
