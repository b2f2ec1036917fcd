import { expect, it } from 'vitest';
import { KeyedQueue } from '../src/keyed-queue.ts';

it('runs work of one key in order, and other keys meanwhile', async () => {
  const queue = new KeyedQueue();
  const first = Promise.withResolvers<void>();
  const ran: string[] = [];
  const record = (name: string) => async (): Promise<void> => {
    ran.push(name);
  };
  const a1 = queue.run('a', async () => {
    await first.promise;
    ran.push('a1');
  });
  const a2 = queue.run('a', record('a2'));
  await queue.run('b', record('b1'));
  expect(ran).toEqual(['b1']);
  first.resolve();
  await Promise.all([a1, a2]);
  expect(ran).toEqual(['b1', 'a1', 'a2']);
});

it('continues after work that failed, and gives each caller its own result', async () => {
  const queue = new KeyedQueue();
  const failed = queue.run('a', () => Promise.reject(new Error('no')));
  const next = queue.run('a', async () => 7);
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe(7);
});

it('is idle once the work that was added meanwhile has ended too', async () => {
  const queue = new KeyedQueue();
  const ran: string[] = [];
  void queue.run('a', async () => {
    ran.push('a1');
    void queue.run('b', async () => {
      await queue.run('c', async () => void ran.push('c1'));
      ran.push('b1');
    });
  });
  await queue.idle();
  expect(ran).toEqual(['a1', 'c1', 'b1']);
  await queue.idle();
});
