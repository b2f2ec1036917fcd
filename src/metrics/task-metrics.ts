import { Counter, Histogram, type Registry } from 'prom-client';
import { type EventOf, NO_USAGE, type TaskEvent, type Usage } from '../tasks/events.ts';
import { closedBy, closedWith } from '../tasks/request-labels.ts';
import { isEnd, type Task, usedMs } from '../tasks/task.ts';
import { BoundedLabels } from './bounded-labels.ts';

/** Seconds: a trivial task takes one, work that runs unattended an hour. */
const TASK_SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600];
const WAIT_SECONDS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600];
const FIRST_EVENT_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300];
const TOOL_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900];
const MAX_TOOLS = 100;
const MAX_MODELS = 50;
const MAX_CODES = 100;
/** Of a task that names no model. */
const DEFAULT_MODEL = 'default';

/** The kinds of tokens, by their field in the usage. */
const TOKENS = {
  input: 'input_tokens',
  output: 'output_tokens',
  reasoning: 'reasoning_tokens',
  cache_read: 'cache_read_tokens',
  cache_write: 'cache_write_tokens',
} as const;

/** What the events of tasks add up to. Its memory does not grow with tasks that have ended. */
export class TaskMetrics {
  readonly #metrics: ReturnType<typeof define>;
  readonly #tools = new BoundedLabels(MAX_TOOLS);
  readonly #models = new BoundedLabels(MAX_MODELS);
  readonly #codes = new BoundedLabels(MAX_CODES);
  /** Usage that is counted already, of tasks that have not ended. */
  readonly #counted = new Map<string, Usage>();
  /** Tasks that have begun and shown nothing yet, with the time of their begin. */
  readonly #silent = new Map<string, number>();

  constructor(registry: Registry) {
    this.#metrics = define(registry);
  }

  /** A task of an earlier process: what it used then was counted by that process. */
  resume({ id, usage, status }: Task): void {
    this.#counted.set(id, usage);
    if (status !== 'queued') this.#metrics.resumed.inc();
  }

  /** Counts an event; `task` as it is now, or later. */
  observe(event: TaskEvent, task: Task | undefined): void {
    this.#countFirst(event);
    switch (event.kind) {
      case 'created':
        this.#metrics.created.inc();
        break;
      case 'started':
        if (task) this.#metrics.wait.observe(seconds(event.at - task.createdAt));
        this.#silent.set(event.taskId, event.at);
        break;
      case 'attached':
      case 'message_sent':
        this.#metrics.turns.inc();
        break;
      case 'tool':
        this.#countTool(event);
        break;
      case 'usage':
        this.#countUsage(event.taskId, event.usage, task?.model);
        break;
      case 'request_opened':
        this.#metrics.asked.inc({ type: event.request.type });
        break;
      case 'request_closed':
        this.#metrics.answered.inc({ reply: closedWith(event), by: closedBy(event) });
        break;
      case 'retrying':
        this.#metrics.retries.inc();
        break;
      case 'message':
        this.#metrics.messages.inc({ from: event.type === 'recovery' ? 'recovery' : event.from });
        break;
      case 'warning':
        this.#metrics.warnings.inc({ code: this.#codes.of(event.code) });
        break;
      case 'completed':
      case 'failed':
      case 'timeout':
      case 'cancelled':
        this.#countEnd(event, task);
        break;
    }
  }

  #countFirst({ kind, taskId, at }: TaskEvent): void {
    if (kind !== 'output' && kind !== 'tool') return;
    const since = this.#silent.get(taskId);
    if (since === undefined) return;
    this.#metrics.firstEvent.observe(seconds(at - since));
    this.#silent.delete(taskId);
  }

  #countTool({ phase, tool, ok, duration_ms }: EventOf<'tool'>): void {
    if (phase !== 'finished') return;
    const name = this.#tools.of(tool);
    this.#metrics.tools.inc({ tool: name, outcome: ok === false ? 'failed' : 'ok' });
    if (duration_ms !== undefined) this.#metrics.toolTime.observe({ tool: name }, seconds(duration_ms));
  }

  #countUsage(taskId: string, usage: Usage, name = DEFAULT_MODEL): void {
    const before = this.#counted.get(taskId) ?? NO_USAGE;
    const model = this.#models.of(name);
    // Totals only rise; one that falls is of a session that OpenCode lost.
    for (const [type, field] of Object.entries(TOKENS)) {
      this.#metrics.tokens.inc({ model, type }, Math.max(0, usage[field] - before[field]));
    }
    this.#metrics.cost.inc({ model }, Math.max(0, usage.cost_usd - before.cost_usd));
    this.#counted.set(taskId, usage);
  }

  #countEnd(event: EventOf<'completed' | 'failed' | 'timeout' | 'cancelled'> & TaskEvent, task?: Task): void {
    const { kind: outcome, taskId } = event;
    const code = 'error' in event ? this.#codes.of(event.error.code) : '';
    this.#metrics.ended.inc({ outcome, code });
    if (task && isEnd(task.status) && task.startedAt !== undefined) {
      this.#metrics.runTime.observe({ outcome }, seconds(usedMs(task, event.at)));
    }
    this.#counted.delete(taskId);
    this.#silent.delete(taskId);
  }
}

function seconds(ms: number): number {
  return Math.max(0, ms) / 1_000;
}

function define(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `opencode_bridge_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ) => new Histogram({ name: `opencode_bridge_${name}`, help, buckets, labelNames, registers });
  return {
    created: counter('tasks_created_total', 'Tasks that were accepted.'),
    resumed: counter('tasks_resumed_total', 'Tasks that had begun when the bridge started and were resumed.'),
    ended: counter('tasks_ended_total', 'Tasks that ended, by outcome and code of the error.', [
      'outcome',
      'code',
    ]),
    wait: histogram('task_wait_seconds', 'Time from acceptance to the start of a task.', WAIT_SECONDS),
    firstEvent: histogram(
      'task_first_event_seconds',
      'Time from the start of a task to its first text or tool call.',
      FIRST_EVENT_SECONDS,
    ),
    runTime: histogram(
      'task_run_seconds',
      'Time that a task ran, without pauses, by outcome.',
      TASK_SECONDS,
      ['outcome'],
    ),
    turns: counter('turns_total', 'Prompts that were sent.'),
    tools: counter('tool_calls_total', 'Tool calls that finished.', ['tool', 'outcome']),
    toolTime: histogram('tool_call_seconds', 'Duration of tool calls.', TOOL_SECONDS, ['tool']),
    tokens: counter('tokens_total', 'Tokens by model and type.', ['model', 'type']),
    cost: counter('cost_usd_total', 'Cost in US dollars by model, as OpenCode computes it.', ['model']),
    asked: counter('requests_opened_total', 'Permissions and questions that were asked.', ['type']),
    answered: counter('requests_closed_total', 'Permissions and questions that were closed.', [
      'reply',
      'by',
    ]),
    retries: counter('model_retries_total', 'Calls of a model that failed and were retried by OpenCode.'),
    messages: counter('messages_total', 'Messages to tasks; recovery: sent by the bridge after a loss.', [
      'from',
    ]),
    warnings: counter('warnings_total', 'Warnings of tasks, by code.', ['code']),
  };
}
