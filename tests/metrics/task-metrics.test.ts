import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { AgentMetrics } from '../../src/metrics/agent-metrics.ts';
import { BoundedLabels } from '../../src/metrics/bounded-labels.ts';
import { TaskMetrics } from '../../src/metrics/task-metrics.ts';
import { NO_USAGE, type TaskEvent, type TaskEventBody } from '../../src/tasks/events.ts';
import { closedBy, closedWith } from '../../src/tasks/request-labels.ts';
import { apply, type Task } from '../../src/tasks/task.ts';

const CREATED: TaskEventBody = {
  kind: 'created',
  agent_id: 'ann',
  description: 'x',
  runner: 'docker',
  directory: '/w',
  owns_directory: true,
  model: 'a/b',
  observers: [],
  timeout_ms: 60_000,
};
const usage = (tokens: number, cost: number) => ({
  kind: 'usage' as const,
  usage: { ...NO_USAGE, input_tokens: tokens, cost_usd: cost },
});

/** Observes the events of a task, a second after each other, as the log has them. */
function observe(metrics: TaskMetrics, taskId: string, bodies: TaskEventBody[]): void {
  let task: Task | undefined;
  const events = bodies.map((body, index): TaskEvent => {
    const event = { ...body, taskId, seq: index + 1, at: 1_000 * index };
    task = apply(task, event);
    return event;
  });
  for (const event of events) metrics.observe(event, task);
}

async function sampleOf(registry: Registry, sample: string): Promise<number | undefined> {
  const line = (await registry.metrics()).split('\n').find((each) => each.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

test('what a task did is counted once', async () => {
  const registry = new Registry();
  const metrics = new TaskMetrics(registry);
  observe(metrics, 'task_1', [
    CREATED,
    { kind: 'started' },
    { kind: 'attached', session_id: 's', prompt_id: 'p' },
    { kind: 'tool', phase: 'started', call_id: 'c', tool: 'bash', title: 'ls' },
    {
      kind: 'tool',
      phase: 'finished',
      call_id: 'c',
      tool: 'bash',
      title: 'ls',
      ok: false,
      exit_code: 1,
      duration_ms: 1_500,
    },
    usage(100, 0.1),
    usage(250, 0.25),
    {
      kind: 'failed',
      error: { code: 'BUDGET_EXCEEDED', message: 'x' },
    },
  ]);
  const of = (sample: string) => sampleOf(registry, `opencode_bridge_${sample}`);
  expect(await of('tasks_created_total')).toBe(1);
  expect(await of('tasks_ended_total{outcome="failed",code="BUDGET_EXCEEDED"}')).toBe(1);
  expect(await of('task_wait_seconds_sum')).toBe(1);
  expect(await of('task_first_event_seconds_sum')).toBe(2);
  expect(await of('task_run_seconds_sum{outcome="failed"}')).toBe(6);
  expect(await of('turns_total')).toBe(1);
  expect(await of('tool_calls_total{tool="bash",outcome="failed"}')).toBe(1);
  expect(await of('tool_call_seconds_sum{tool="bash"}')).toBe(1.5);
  expect(await of('tokens_total{model="a/b",type="input"}')).toBe(250);
  expect(await of('cost_usd_total{model="a/b"}')).toBe(0.25);
});

test('what an earlier process counted is not counted again', async () => {
  const registry = new Registry();
  const metrics = new TaskMetrics(registry);
  const event: TaskEvent = { ...CREATED, taskId: 'task_1', seq: 1, at: 0 };
  const task = { ...apply(undefined, event), usage: usage(100, 0.1).usage };
  metrics.resume({ ...task, status: 'running' });
  metrics.resume({ ...task, id: 'task_2', status: 'queued' });
  expect(await sampleOf(registry, 'opencode_bridge_tasks_resumed_total')).toBe(1);
  metrics.observe({ ...usage(130, 0.1), taskId: 'task_1', seq: 2, at: 1 }, task);
  expect(await sampleOf(registry, 'opencode_bridge_tokens_total{model="a/b",type="input"}')).toBe(30);
  expect(await sampleOf(registry, 'opencode_bridge_cost_usd_total{model="a/b"}')).toBe(0);
});

test('names that others choose are bounded', async () => {
  const labels = new BoundedLabels(2);
  expect(['a', 'b', 'c', 'a', 'x'.repeat(500)].map((each) => labels.of(each))).toEqual([
    'a',
    'b',
    'other',
    'a',
    'other',
  ]);
  const registry = new Registry();
  const metrics = new TaskMetrics(registry);
  for (let index = 0; index < 500; index += 1) {
    observe(metrics, `task_${index}`, [
      { ...CREATED, model: `evil/${index}"\n` },
      { kind: 'started' },
      usage(1, 0),
    ]);
  }
  const text = await registry.metrics();
  expect(new Set(text.match(/model="[^\n]*?",type/g)).size).toBe(51);
  expect(text).not.toContain('task_1');
});

test.each([
  ['policy reject', 'reject', 'policy', 'reject'],
  ['deadline', 'reject', 'deadline', 'reject'],
  ['opencode', 'none', 'opencode', 'none'],
  ['@ann:example.org', 'once', 'caller', 'once'],
  ['the end of the task', 'none', 'obsolete', 'none'],
  ['ann', 'Blue, please', 'caller', 'answer'],
])('a request closed by %j with %j is %s, %s', (by, reply, who, how) => {
  const event = { kind: 'request_closed' as const, request_id: 'r', by, reply };
  expect([closedBy(event), closedWith(event)]).toEqual([who, how]);
});

test('agents are told apart, the first 200 of them', async () => {
  const registry = new Registry();
  const metrics = new AgentMetrics(registry);
  for (let n = 0; n < 202; n += 1) {
    const created = { ...CREATED, agent_id: `agent-${n}` };
    const bodies: TaskEventBody[] = [
      created,
      { kind: 'started' },
      usage(10, 0.5),
      { kind: 'cancelled', by: 'ann' },
    ];
    let task: Task | undefined;
    const events = bodies.map((body, index): TaskEvent => {
      const event = { ...body, taskId: `task_${n}`, seq: index + 1, at: index };
      task = apply(task, event);
      return event;
    });
    for (const event of events) metrics.observe(event, task);
  }
  const prefix = 'opencode_bridge_agent_';
  expect(await sampleOf(registry, `${prefix}tasks_ended_total{agent="agent-0",outcome="cancelled"}`)).toBe(1);
  expect(await sampleOf(registry, `${prefix}tokens_total{agent="agent-199"}`)).toBe(10);
  expect(await sampleOf(registry, `${prefix}cost_usd_total{agent="other"}`)).toBe(1);
});
