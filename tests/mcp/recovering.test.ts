import { expect, it } from 'vitest';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { created } from '../tasks/created.ts';
import { startScriptedBridge } from './bridge.ts';

const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `${n}`,
});

it('a start takes up one task after the other, with turns for others between them, and then what waits', async () => {
  await using bridge = await startScriptedBridge({ limits: { maxConcurrent: 3 } });
  const { execution, log, runner, workspaceDir } = bridge;
  const add = (id: string, ...events: TaskEventBody[]) => {
    log.create(id, created({ directory: workspaceDir, owns_directory: false }), 'print');
    log.append(id, ...events);
  };
  add('task_0');
  const running = ['task_1', 'task_2', 'task_3'];
  for (const id of running) add(id, { kind: 'started' }, ...Array.from({ length: 500 }, (_, n) => output(n)));
  let read = 0;
  let mostAtOnce = 0;
  const events = log.store.events.bind(log.store);
  log.store.events = (...query) => {
    const page = events(...query);
    read += page.length;
    mostAtOnce = Math.max(mostAtOnce, read);
    setImmediate(() => {
      read = 0;
    });
    return page;
  };
  await execution.recover();
  expect(mostAtOnce).toBe(502);
  expect(await execution.metrics()).toMatchObject({ running: 3, queued: 1 });
  await Promise.all(running.map((id) => runner.turnOf(id)));
  expect(await execution.queuePosition('task_0')).toBe(1);
});

it('an answer that comes before the run of its task is open waits for that', async () => {
  await using bridge = await startScriptedBridge();
  const { execution, log, runner, workspaceDir } = bridge;
  log.create('task_0', created({ directory: workspaceDir, owns_directory: false }), 'print');
  const request = { id: 'per_1', type: 'permission' as const, title: 'bash', session_id: 'ses' };
  const asked = { ...request, expires_at: Date.now() + 60_000 };
  log.append('task_0', { kind: 'started' }, { kind: 'request_opened', request: asked });
  const reachable = Promise.withResolvers<void>();
  const open = runner.open.bind(runner);
  runner.open = async (...args) => {
    await reachable.promise;
    return open(...args);
  };
  await execution.recover();
  const task = log.get('task_0');
  if (!task) throw new Error('no task');
  const answered = execution.answer(task, 'per_1', { reply: 'once' }, 'me');
  reachable.resolve();
  await answered;
  expect((await runner.turnOf('task_0')).answers).toMatchObject([{ requestId: 'per_1' }]);
});
