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
