import { expect, it } from 'vitest';
import { type FrameOfFeed, LiveFollower } from '../../../src/execution/live/live-follower.ts';

const frame = (part: string, text: string, more: Partial<FrameOfFeed> = {}): FrameOfFeed => ({
  ...{ live: true, kind: 'text', part, text, at: 1, continues: true },
  ...more,
});
const first = (part: string, text: string): FrameOfFeed => frame(part, text, { continues: false });

function taken(follower: LiveFollower, seq = 1) {
  const frames = [];
  for (let next = follower.take(seq); next; next = follower.take(seq)) {
    const { part, text, gap, reset } = next;
    frames.push([part, text, ...(gap ? ['gap'] : []), ...(reset ? ['reset'] : [])]);
  }
  return frames;
}

it('gives a frame only behind the event before it', () => {
  const follower = new LiveFollower();
  follower.offer([first('a', 'late')], 7);
  follower.offer([first('b', 'later')], 8);
  expect(taken(follower, 6)).toEqual([]);
  expect(taken(follower, 7)).toEqual([['a', 'late']]);
  expect(taken(follower, 8)).toEqual([['b', 'later']]);
});

it('joins what waits, by part, at the place of the first', () => {
  const follower = new LiveFollower();
  follower.offer([first('a', 'one '), first('b', 'other')], 7);
  follower.offer([frame('a', 'two')], 9);
  expect(taken(follower, 7)).toEqual([
    ['b', 'other'],
    ['a', 'one two'],
  ]);
});

it('keeps only the text behind a gap, and only that of a reset', () => {
  const follower = new LiveFollower();
  follower.offer([first('a', 'lost'), first('b', 'void'), frame('c', 'now', { reset: true })], 1);
  follower.offer([frame('a', 'kept', { gap: true }), frame('b', 'new', { reset: true }), frame('c', '!')], 1);
  follower.offer([frame('a', '.'), frame('b', '.')], 1);
  expect(taken(follower)).toEqual([
    ['c', 'now!', 'reset'],
    ['a', 'kept.', 'gap'],
    ['b', 'new.', 'reset'],
  ]);
  follower.offer([frame('a', 'on'), frame('b', 'on')], 1);
  expect(taken(follower)).toEqual([
    ['a', 'on'],
    ['b', 'on'],
  ]);
});

it('keeps at most 16,384 characters of a part', () => {
  const follower = new LiveFollower();
  follower.offer([first('a', `${'1'.repeat(16_380)}`)], 1);
  follower.offer([frame('a', '23456789')], 1);
  expect(taken(follower)).toEqual([['a', `${'1'.repeat(16_376)}23456789`, 'gap']]);
});

it('keeps as many parts as it may, and forgets a part that ended', () => {
  const follower = new LiveFollower();
  for (let n = 0; n < 1_000; n += 1) follower.offer([first(`${n}`, 'x')], 1);
  expect(taken(follower)).toHaveLength(256);
  follower.end('999');
  follower.offer([frame('0', 'y'), frame('998', 'y'), frame('999', 'y')], 1);
  expect(taken(follower)).toEqual([
    ['0', 'y', 'gap'],
    ['998', 'y'],
    ['999', 'y', 'gap'],
  ]);
});
