import { expect, it } from 'vitest';
import type { TaskEvent } from '../../src/web/api/task.ts';
import { stepsOf } from '../../src/web/task/steps/step-list.ts';

const todo = (seq: number, ...statuses: string[]): TaskEvent => ({
  seq,
  at: `2026-01-02T03:00:0${seq}.000Z`,
  kind: 'todo',
  items: statuses.map((status, index) => ({ content: `step ${index}`, status, priority: 'high' })),
});

it('has the newest list, and when each step began and ended', () => {
  const list = stepsOf([
    todo(1, 'pending', 'pending'),
    todo(2, 'in_progress', 'pending'),
    todo(3, 'completed', 'in_progress', 'cancelled'),
    todo(4, 'completed', 'in_progress', 'cancelled'),
  ]);
  expect(list).toMatchObject({ done: 1, counted: 2, at: '2026-01-02T03:00:04.000Z' });
  expect(
    list?.steps.map(({ startedAt, endedAt }) => [startedAt?.slice(18, 19), endedAt?.slice(18, 19)]),
  ).toEqual([
    ['2', '3'],
    ['3', undefined],
    [undefined, '3'],
  ]);
});

it('of a step that is done again has only its new end', () => {
  const list = stepsOf([todo(1, 'completed'), todo(2, 'in_progress'), todo(3, 'completed')]);
  expect(list?.steps[0]).toMatchObject({
    startedAt: '2026-01-02T03:00:02.000Z',
    endedAt: '2026-01-02T03:00:03.000Z',
  });
});

it('is nothing before the agent has written a list', () => {
  expect(stepsOf([])).toBeUndefined();
  expect(stepsOf([todo(1)])).toMatchObject({ steps: [], done: 0, counted: 0 });
});
