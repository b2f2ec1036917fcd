import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairQueue } from '../../src/execution/queue.ts';

const agents = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 });

function fill(order: readonly string[]): FairQueue {
  const queue = new FairQueue();
  for (const [index, agent] of order.entries()) queue.add(agent, `${agent}${index}`);
  return queue;
}

function drain(queue: FairQueue): string[] {
  const taken: string[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) taken.push(next);
  return taken;
}

it('gives out everything once, in order within an agent', () => {
  fc.assert(
    fc.property(agents, (order) => {
      const taken = drain(fill(order));
      const all = order.map((agent, index) => `${agent}${index}`);
      expect([...taken].sort()).toEqual([...all].sort());
      for (const agent of 'abcd') {
        const own = (ids: string[]) => ids.filter((id) => id.startsWith(agent));
        expect(own(taken)).toEqual(own(all));
      }
    }),
  );
});

it('knows which task was accepted first', () => {
  fc.assert(
    fc.property(agents, (order) => {
      const queue = new FairQueue();
      for (const [index, agent] of order.entries()) queue.add(agent, `task_${1_000 + index}`);
      const left = new Set(order.map((_, index) => `task_${1_000 + index}`));
      do {
        expect(queue.oldest).toBe([...left][0]);
        left.delete(queue.next() ?? '');
      } while (left.size > 0);
    }),
  );
});

it('lets nobody wait for two tasks of the same other agent', () => {
  fc.assert(
    fc.property(agents, (order) => {
      const taken = drain(fill(order)).map(([agent = '']) => agent);
      for (const [index, agent] of taken.entries()) {
        const next = taken.indexOf(agent, index + 1);
        const between = taken.slice(index + 1, next === -1 ? index + 1 : next);
        expect(new Set(between).size).toBe(between.length);
      }
    }),
  );
});

it('tells the position that comes true, also after a task was taken out', () => {
  fc.assert(
    fc.property(agents, fc.nat(), (order, pick) => {
      const queue = fill(order);
      const all = order.map((agent, index) => `${agent}${index}`);
      const out = all[pick % Math.max(1, all.length)];
      if (out !== undefined) {
        expect(queue.remove(out)).toBe(true);
        expect(queue.remove(out)).toBe(false);
        expect(queue.position(out)).toBeUndefined();
      }
      const promised = new Map(all.filter((id) => id !== out).map((id) => [id, queue.position(id)]));
      expect(queue.size).toBe(promised.size);
      for (const [index, id] of drain(queue).entries()) expect(promised.get(id)).toBe(index + 1);
    }),
  );
});

it('is empty when it is empty', () => {
  const queue = new FairQueue();
  expect([queue.size, queue.next(), queue.position('x'), queue.remove('x')]).toEqual([
    0,
    undefined,
    undefined,
    false,
  ]);
});
