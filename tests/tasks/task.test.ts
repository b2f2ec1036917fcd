import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TaskEvent, TaskEventBody, TaskResult } from '../../src/tasks/events.ts';
import { apply, isEnd, type Task, usedMs } from '../../src/tasks/task.ts';
import { created } from './created.ts';

const RESULT: TaskResult = { summary: 'Done.', files_changed: [], files_changed_total: 0, finish: 'stop' };
const REQUEST = { id: 'per_1', type: 'permission' as const, title: 'Allow bash', session_id: 'ses_1' };

/** The task after these events, one a second from second 1 on. */
function taskAfter(...bodies: TaskEventBody[]): Task {
  let task: Task | undefined;
  [created(), ...bodies].forEach((body, index) => {
    const event: TaskEvent = { ...body, taskId: 'task_1', seq: index + 1, at: (index + 1) * 1_000 };
    task = apply(task, event);
  });
  if (!task) throw new Error('no events');
  return task;
}

describe('apply', () => {
  it('begins as queued with what was ordered', () => {
    expect(taskAfter()).toMatchObject({
      id: 'task_1',
      status: 'queued',
      agentId: 'agent-1',
      limits: { timeoutMs: 60_000 },
      createdAt: 1_000,
      lastSeq: 1,
    });
  });

  it('runs, waits for input and runs again when the last request is closed', () => {
    const opened: TaskEventBody[] = [
      { kind: 'started' },
      { kind: 'request_opened', request: REQUEST },
      { kind: 'request_opened', request: { ...REQUEST, id: 'per_2' } },
    ];
    const close = (request_id: string): TaskEventBody => ({
      kind: 'request_closed',
      request_id,
      by: 'me',
      reply: 'once',
    });
    expect(taskAfter(...opened)).toMatchObject({ status: 'input_required' });
    expect(taskAfter(...opened, close('per_1'))).toMatchObject({
      status: 'input_required',
      requests: [{ id: 'per_2' }],
    });
    expect(taskAfter(...opened, close('per_1'), close('per_2'))).toMatchObject({
      status: 'running',
      requests: [],
    });
  });

  it('stays paused when a request is closed meanwhile', () => {
    const task = taskAfter(
      { kind: 'started' },
      { kind: 'request_opened', request: REQUEST },
      { kind: 'paused' },
      { kind: 'request_closed', request_id: 'per_1', by: 'pause', reply: 'none' },
    );
    expect(task.status).toBe('paused');
  });

  it('stays paused when a request comes meanwhile, which then waits for an answer once it is resumed', () => {
    const paused: TaskEventBody[] = [
      { kind: 'started' },
      { kind: 'paused' },
      { kind: 'request_opened', request: REQUEST },
    ];
    expect(taskAfter(...paused)).toMatchObject({ status: 'paused', requests: [REQUEST] });
    const resumed = taskAfter(...paused, { kind: 'resumed' });
    expect(resumed).toMatchObject({ status: 'input_required', clock: { usedMs: 1_000, since: 5_000 } });
    const closed: TaskEventBody = { kind: 'request_closed', request_id: 'per_1', by: 'me', reply: 'once' };
    expect(taskAfter(...paused, closed)).toMatchObject({ status: 'paused', requests: [] });
    expect(taskAfter(...paused, closed, { kind: 'resumed' }).status).toBe('running');
  });

  it('has its clock running exactly while it works (property)', () => {
    const body = fc.constantFrom<TaskEventBody>(
      { kind: 'paused' },
      { kind: 'resumed' },
      { kind: 'request_opened', request: REQUEST },
      { kind: 'request_closed', request_id: 'per_1', by: 'me', reply: 'once' },
    );
    fc.assert(
      fc.property(fc.array(body, { maxLength: 30 }), (bodies) => {
        const { status, clock, requests } = taskAfter({ kind: 'started' }, ...bodies);
        expect(status === 'paused').toBe(clock.since === undefined);
        if (status !== 'paused') expect(status === 'input_required').toBe(requests.length > 0);
      }),
    );
  });

  it('counts time against the limit only while the task is not paused', () => {
    const task = taskAfter(
      { kind: 'started' },
      { kind: 'paused' },
      { kind: 'warning', code: 'X', message: '' },
      { kind: 'resumed' },
    );
    expect(usedMs(task, 5_000)).toBe(1_000);
    expect(usedMs(task, 7_500)).toBe(3_500);
  });

  it('keeps usage, session and todo progress', () => {
    const item = (status: string) => ({ content: 'x', status, priority: 'high' });
    const task = taskAfter(
      { kind: 'started' },
      { kind: 'attached', session_id: 'ses_1', prompt_id: 'msg_1' },
      { kind: 'todo', items: [item('completed'), item('in_progress'), item('pending'), item('cancelled')] },
    );
    expect(task).toMatchObject({ sessionId: 'ses_1', promptId: 'msg_1', progress: 33 });
  });

  it.each([
    ['completed', { kind: 'completed', result: RESULT }],
    ['failed', { kind: 'failed', error: { code: 'X', message: 'x' } }],
    ['timeout', { kind: 'timeout', error: { code: 'TIMEOUT', message: 'x' } }],
    ['cancelled', { kind: 'cancelled', by: 'me', reason: 'enough' }],
  ] as const)('ends as %s, and nothing later changes that', (status, end) => {
    const task = taskAfter({ kind: 'started' }, { kind: 'request_opened', request: REQUEST }, end);
    expect(task).toMatchObject({ status, requests: [], endedAt: 4_000, clock: { usedMs: 2_000 } });
    const late: TaskEvent = { kind: 'started', taskId: 'task_1', seq: 5, at: 5_000 };
    expect(() => apply(task, late)).toThrow(/"started" cannot be added to task_1: the task has ended/);
  });

  it('refuses events without a task, and a second creation', () => {
    const started: TaskEvent = { kind: 'started', taskId: 'task_1', seq: 1, at: 1 };
    expect(() => apply(undefined, started)).toThrow(/never created/);
    expect(() => taskAfter(created())).toThrow(/the task exists/);
  });

  it('never leaves an end, whatever comes (property)', () => {
    const body: fc.Arbitrary<TaskEventBody> = fc.constantFrom<TaskEventBody>(
      { kind: 'started' },
      { kind: 'paused' },
      { kind: 'resumed' },
      { kind: 'request_opened', request: REQUEST },
      { kind: 'request_closed', request_id: 'per_1', by: 'me', reply: 'once' },
      { kind: 'completed', result: RESULT },
      { kind: 'cancelled', by: 'me' },
    );
    fc.assert(
      fc.property(fc.array(body, { maxLength: 30 }), (bodies) => {
        let task = taskAfter();
        let end: string | undefined;
        for (const next of bodies) {
          const event: TaskEvent = { ...next, taskId: 'task_1', seq: task.lastSeq + 1, at: 0 };
          if (end) expect(() => apply(task, event)).toThrow(/has ended/);
          else task = apply(task, event);
          if (isEnd(task.status)) end ??= task.status;
          expect(end === undefined || task.status === end).toBe(true);
        }
      }),
    );
  });
});
