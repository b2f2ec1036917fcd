import { locks } from 'node:worker_threads';
import { expect, it } from 'vitest';
import type { InputRequest } from '../../src/web/api/task.ts';
import { electLeader, isSeen, showAsSeen } from '../../src/web/notify/election.ts';
import { newsOf, parseWatched, watch } from '../../src/web/notify/watched.ts';

const ask = (id: string): InputRequest => ({ id, type: 'permission', title: `Allow ${id}`, session_id: 's' });
const task = { task_id: 't', status: 'running' as const, requests: [], description: 'Fix it.\nNow.' };

it('what is asked is told once, and what was asked before is no news', () => {
  const known = watch({ ...task, requests: [ask('a')] });
  const same = newsOf(known, { ...task, status: 'input_required', requests: [ask('a')] });
  expect(same.news).toBeUndefined();
  const more = newsOf(known, { ...task, status: 'input_required', requests: [ask('a'), ask('b')] });
  expect(more.news).toEqual({ title: 'Asks you: Fix it.', body: 'Allow b' });
  expect(more.next?.asked).toEqual(['a', 'b']);
});

it('the end is told once: the task is no longer watched then', () => {
  const error = { code: 'X', message: 'The model refused.\nx' };
  const { news, next } = newsOf(watch(task), { ...task, status: 'failed', error });
  expect(news).toEqual({ title: 'Failed: Fix it.', body: 'The model refused.' });
  expect(next).toBeUndefined();
});

it.each([null, '', '{', '{}', '[1]', '[{"id":1}]', '[{"id":"t"}]'])('stored %j is nothing', (text) =>
  expect(parseWatched(text)).toEqual([]),
);

it('stored tasks are read again', () => {
  expect(parseWatched(JSON.stringify([watch({ ...task, requests: [ask('a')] })]))).toEqual([
    { id: 't', asked: ['a'] },
  ]);
});

it('of several tabs one leads; when it goes, another does', async () => {
  const led: string[] = [];
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const tab = (name: string, signal: AbortSignal): Promise<void> =>
    electLeader(locks, 'lead', signal, async () => {
      begun[led.push(name) - 1]?.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
  const [first, second] = [new AbortController(), new AbortController()];
  const tabs = [tab('first', first.signal), tab('second', second.signal)];
  await begun[0]?.promise;
  expect(led).toEqual(['first']);
  first.abort();
  await begun[1]?.promise;
  expect(led).toEqual(['first', 'second']);
  second.abort();
  await Promise.all(tabs);
});

it('a tab that waits can stop to', async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const over = new Promise<void>((resolve) => first.signal.addEventListener('abort', () => resolve()));
  const leading = electLeader(locks, 'wait', first.signal, () => over);
  const waiting = electLeader(locks, 'wait', second.signal, () =>
    Promise.reject(new Error('it never leads')),
  );
  second.abort();
  await waiting;
  first.abort();
  await leading;
});

it('a task is seen while one tab of several shows it', async () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const shown = [showAsSeen(locks, 't', one.signal), showAsSeen(locks, 't', two.signal)];
  await expect.poll(() => isSeen(locks, 't')).toBe(true);
  expect(await isSeen(locks, 'other')).toBe(false);
  one.abort();
  await shown[0];
  expect(await isSeen(locks, 't')).toBe(true);
  two.abort();
  await shown[1];
  await expect.poll(() => isSeen(locks, 't')).toBe(false);
});
