import { expect, it } from 'vitest';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { startScriptedBridge } from './bridge.ts';

const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: `${n}`,
  message_id: 'm',
  part_id: `${n}`,
});

it('a pause or resume that is said again reads nothing of a long log', async () => {
  await using bridge = await startScriptedBridge();
  const { execution, log, runner } = bridge;
  const client = await bridge.client();
  const id = await client.start();
  await runner.turnOf(id);
  log.append(id, ...Array.from({ length: 5_000 }, (_, n) => output(n)));
  const task = await execution.find(log.get(id)?.agentId ?? '', id);
  let read = 0;
  const events = log.store.events.bind(log.store);
  log.store.events = (...query) => {
    const page = events(...query);
    read += page.length;
    return page;
  };
  const by = '@ann:mx';
  for (const _ of [1, 2, 3])
    expect((await execution.pause(task, by, undefined, '$pause')).status).toBe('paused');
  for (const _ of [1, 2, 3])
    expect((await execution.resume(task, by, undefined, '$resume')).status).toBe('running');
  // What came late of the pause does not stop the task again.
  expect((await execution.pause(task, by, undefined, '$pause')).status).toBe('running');
  expect(read).toBe(0);
});
