import { describe, expect, it } from 'vitest';
import { accepts, filterOf, queryOf } from '../../../src/web/task/output/filter.ts';
import { type LogRow, ROW_KINDS } from '../../../src/web/task/output/rows.ts';
import { patternOf, rangesOf, Search } from '../../../src/web/task/output/search.ts';

function row(id: number, text: string, label = ''): LogRow {
  return { id, at: '', type: 'note', kind: 'model', severity: 'info', tone: 'model', label, text };
}

function search(text: string, ...rows: LogRow[]): Search {
  const found = new Search(text, patternOf(text) ?? /$^/g);
  for (const each of rows) found.scan(each);
  return found;
}

describe('a pattern', () => {
  it.each([
    ['a.b', 'a.b axb', [[0, 3]]],
    ['(x)[1]{2}^$|?*+\\/', 'see (x)[1]{2}^$|?*+\\/', [[4, 21]]],
    ['FOO-bar', 'foo-BAR', [[0, 7]]],
    ['straße', 'STRAßE', [[0, 6]]],
    [
      'aa',
      'aaaa',
      [
        [0, 2],
        [2, 4],
      ],
    ],
    ['💡', 'a💡', [[1, 3]]],
  ])('%j in %j', (text, within, ranges) => {
    expect(rangesOf(patternOf(text) ?? /$^/g, within)).toEqual(ranges);
  });

  it('of nothing is none', () => expect(patternOf('')).toBeUndefined());
});

describe('a search', () => {
  it('finds text across colours, in heads and bodies, and not in escape sequences', () => {
    expect(search('needle', row(1, 'nee\u001b[31mdle'), row(2, 'x', 'a needle')).total).toBe(2);
    expect(search('31', row(1, '\u001b[31mx')).total).toBe(0);
  });

  it('follows a row that changes or goes', () => {
    const found = search('x', row(1, 'x x'), row(2, 'x'));
    found.scan(row(1, 'y'));
    expect(found.total).toBe(1);
    found.forget(2);
    expect(found.total).toBe(0);
  });

  it('goes from hit to hit, and around', () => {
    const found = search('x', row(3, 'x x'), row(1, 'x'), row(7, 'x'));
    const order = [];
    let hit = found.next({ id: 2 }, 1);
    for (let step = 0; step < 4 && hit; step += 1) {
      order.push(`${hit.id}/${hit.index}/${found.ordinal(hit)}`);
      hit = found.next(hit, 1);
    }
    expect(order).toEqual(['3/0/2', '3/1/3', '7/0/4', '1/0/1']);
    expect(found.next({ id: 1, index: 0 }, -1)).toEqual({ id: 7, index: 0 });
    expect(found.next({ id: 7, index: 0 }, -1)).toEqual({ id: 3, index: 1 });
    expect(search('y').next({ id: 1 }, 1)).toBeUndefined();
  });

  it('counts a bounded number in one row', () => {
    expect(search('a', row(1, 'a'.repeat(5_000_000))).total).toBe(1_000);
  });
});

describe('a filter', () => {
  it('is what the query says', () => {
    const filter = filterOf(new URLSearchParams('severity=warning&show=tool,nonsense'));
    expect(filter).toEqual({ severity: 'warning', kinds: new Set(['tool']) });
    expect(queryOf(filter)).toEqual({ severity: 'warning', show: 'tool' });
  });

  it('is everything by default', () => {
    const filter = filterOf(new URLSearchParams('severity=nonsense&show=nonsense'));
    expect(filter).toEqual({ severity: 'info', kinds: new Set(ROW_KINDS) });
    expect(queryOf(filter)).toEqual({ severity: undefined, show: undefined });
  });

  it('takes rows of its kinds that are severe enough', () => {
    const filter = { severity: 'warning', kinds: new Set(['problem' as const]) } as const;
    expect(accepts(filter, { ...row(1, ''), kind: 'problem', severity: 'error' })).toBe(true);
    expect(accepts(filter, { ...row(1, ''), kind: 'problem', severity: 'info' })).toBe(false);
    expect(accepts(filter, { ...row(1, ''), kind: 'model', severity: 'error' })).toBe(false);
  });
});
