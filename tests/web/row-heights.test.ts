import { expect, it } from 'vitest';
import { RowHeights } from '../../src/web/parts/row-heights.ts';

function heights(...ids: number[]): RowHeights {
  const rows = new RowHeights(() => 10);
  for (const id of ids) rows.add(id);
  return rows;
}

it('keeps rows in the order of their ids', () => {
  const rows = heights(1, 5, 3, 5);
  expect(rows.ids).toEqual([1, 3, 5]);
  rows.remove(3);
  rows.remove(4);
  expect(rows.ids).toEqual([1, 5]);
  expect([rows.has(5), rows.has(3), rows.indexOf(2)]).toEqual([true, false, 1]);
});

it('finds rows by their offset, and offsets by rows', () => {
  const rows = heights(1, 2, 3);
  expect(rows.measure(2, 30)).toBe(true);
  expect(rows.measure(2, 30)).toBe(false);
  expect([rows.total, rows.offsetOf(2)]).toEqual([50, 40]);
  expect([-5, 0, 9.9, 10, 39, 40, 999].map((offset) => rows.indexAt(offset))).toEqual([0, 0, 0, 1, 1, 2, 2]);
  expect(heights().indexAt(10)).toBe(0);
});

it('knows measured heights of rows that were away', () => {
  const rows = heights(1, 2);
  rows.measure(2, 30);
  rows.replace([1]);
  rows.replace([1, 2]);
  expect(rows.total).toBe(40);
  rows.forgetMeasures();
  rows.replace([1, 2]);
  expect(rows.total).toBe(20);
});

it('drops the oldest', () => {
  const rows = heights(1, 2, 3);
  rows.measure(3, 30);
  rows.dropBefore(3);
  expect([rows.ids, rows.total]).toEqual([[3], 30]);
});
