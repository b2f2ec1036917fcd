import { expect, it } from 'vitest';
import { RecentAborts } from '../../../src/runners/opencode-server/recent-aborts.ts';

const FOLDER = '/a';

it('knows of an instance whether the bridge aborted there, also after its end', () => {
  const aborts = new RecentAborts();
  const first = aborts.instance(FOLDER);
  expect(aborts.has(FOLDER, first)).toBe(false);
  aborts.onAbort(FOLDER);
  expect(aborts.instance(FOLDER)).toBe(first);
  expect([aborts.has(FOLDER, first), aborts.has('/b', aborts.instance('/b'))]).toEqual([true, false]);
  aborts.onDisposed(FOLDER);
  const second = aborts.instance(FOLDER);
  expect([aborts.has(FOLDER, first), aborts.has(FOLDER, second)]).toEqual([true, false]);
});

it('counts the disposal itself for what ran before it', () => {
  const aborts = new RecentAborts();
  const first = aborts.instance(FOLDER);
  aborts.onDisposed(FOLDER);
  expect([aborts.has(FOLDER, first), aborts.has(FOLDER, aborts.instance(FOLDER))]).toEqual([true, false]);
});

it('forgets the oldest of a thousand folders', () => {
  const aborts = new RecentAborts();
  const instance = aborts.instance(FOLDER);
  aborts.onAbort(FOLDER);
  for (let i = 0; i < 999; i += 1) aborts.onAbort(`/${i}/b`);
  expect(aborts.has(FOLDER, instance)).toBe(true);
  aborts.onAbort('/one-more');
  expect(aborts.has(FOLDER, instance)).toBe(false);
});
